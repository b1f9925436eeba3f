"""Long runs of ``edgeguard evaluate``: the grids, and what prepares their victims and images."""
