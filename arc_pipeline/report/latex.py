"""The sheets of `tables` for a paper: LaTeX with booktabs, marks and intervals as on the screen."""

from collections.abc import Sequence

from arc_pipeline.report.tables import BEST, STALE, Cell, Sheet

SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}
DAGGER = r"$^\dagger$"
NEEDS = r"% needs \usepackage{booktabs}"


def latex(sheets: Sequence[Sheet]) -> str:
    """A table environment for each sheet."""
    return "\n\n".join([NEEDS, *map(_table, sheets)])


def _table(sheet: Sheet) -> str:
    columns = "l" * sheet.keys + "r" * (len(sheet.columns) - sheet.keys)
    rows = [" & ".join(map(_cell, row)) + r" \\" for row in sheet.rows]
    caption = ". ".join(escaped(text) for text in (sheet.title, *sheet.notes)).replace(STALE, DAGGER)
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{caption}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            " & ".join(map(escaped, sheet.columns)) + r" \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def _cell(cell: Cell) -> str:
    text = escaped(cell.text)
    text = rf"\textbf{{{text}}}{BEST}" if cell.best else text
    # brackets at the beginning of a row would be read as an argument of the line's end before it
    interval = f" {{{cell.interval}}}" if cell.interval else ""
    return f"{text}{DAGGER * cell.stale}{interval}"


def escaped(text: str) -> str:
    """Text whose signs LaTeX would read as commands."""
    return "".join(SPECIAL.get(sign, sign) for sign in text)
