"""What defenses cost: networks, variants and the timing that ``defense_cost.py`` and ``host_cost.py`` share."""
