"""Pictures of grids: boards, on paper and on a terminal, and the galleries made of them. Knows no chart."""
