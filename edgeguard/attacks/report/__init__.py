"""The report of evaluations: one HTML file without the network, the same tables as Markdown, and every cell as CSV."""
