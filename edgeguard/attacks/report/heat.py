"""Clone accuracy as a table of colours, defense by attack."""

from __future__ import annotations

import html

from edgeguard.attacks.report.names import FLOOR
from edgeguard.attacks.report.summary import Panel

__all__ = ["heat_table"]

# From a bad clone to a good one: one hue that only becomes lighter, which everybody sees. Red, green, blue.
_DARK, _LIGHT = (11, 49, 94), (253, 231, 176)


def heat_table(panel: Panel) -> str:
    """As HTML. Each cell says the mean in percent; the floor's row is named, and what was not attacked is empty."""
    means = {(group.defense, group.attack): 100 * group.accuracy.mean for group in panel.groups}
    low, high = min(means.values()), max(means.values())
    head = "".join(f"<th>{html.escape(attack)}</th>" for attack in panel.attackers)
    rows = []
    for worst in panel.worst:
        name = f"{worst.defense} (floor)" if worst.defense == FLOOR else worst.defense
        cells = "".join(_cell(means.get((worst.defense, attack)), low, high) for attack in panel.attackers)
        rows.append(f"<tr><th>{html.escape(name)}</th>{cells}</tr>")
    return (
        '<div class="wide"><table class="heat"><caption>Clone accuracy, %, mean over seeds</caption>'
        f"<thead><tr><th>defense</th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(value: float | None, low: float, high: float) -> str:
    if value is None:
        return '<td class="none">not run</td>'
    share = (value - low) / (high - low) if high > low else 0.5
    red, green, blue = (round(dark + share * (light - dark)) for dark, light in zip(_DARK, _LIGHT, strict=True))
    # Of the sRGB weights; where the background is light the text is dark.
    text = "#000" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 115 else "#fff"
    return f'<td style="background:rgb({red},{green},{blue});color:{text}">{value:.1f}</td>'
