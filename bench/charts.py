"""Plots as SVG text: bars with targets, and lines over a logarithmic axis. No dependencies.

They have no background and follow the reader's light or dark scheme; what a colour says is also said by
a shape or a word.
"""
import math
from xml.sax.saxutils import escape

WIDTH = 860
STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #222 }
.small { font-size: 11px; fill: #666 }
.axis { stroke: #999; stroke-width: 1 }
.grid { stroke: #999; stroke-opacity: .25 }
.range, .target { stroke: #222; stroke-width: 1.5 }
.target { stroke-width: 2.5 }
.ok { fill: #2a78d6 } .over { fill: #c9372c }
.mark { fill: none; stroke: #111; stroke-width: 1.5 }
.line0, .line1 { fill: none; stroke-width: 2 }
.line0 { stroke: #2a78d6 } .line1 { stroke: #8a6d00; stroke-dasharray: 6 4 }
.dot0 { fill: #2a78d6 } .dot1 { fill: #8a6d00 }
@media (prefers-color-scheme: dark) {
text { fill: #ddd } .small { fill: #aaa }
.range, .target { stroke: #eee } .mark { stroke: #fff }
.ok, .dot0 { fill: #5b9df0 } .over { fill: #f0695e } .line0 { stroke: #5b9df0 }
.line1 { stroke: #d9b23c } .dot1 { fill: #d9b23c }
}
</style>"""
# The forms of marks by name; drawn around 0,0.
FORMS = {"io_uring": "M-4,-4 L4,4 M-4,4 L4,-4", "libuv": "M-4,0 a4,4 0 1,0 8,0 a4,4 0 1,0 -8,0",
         "asio": "M-4,-4 h8 v8 h-8 z"}

RATIO_TICKS = (0.1, 0.2, 0.5, 0.75, 1, 1.25, 1.5, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100)


def document(height, parts, title):
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
                      f'height="{height}" role="img">', f"<title>{escape(title)}</title>", STYLE, *parts, "</svg>"]) + "\n"


def text(x, y, words, anchor="start", kind=""):
    attribute = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{attribute}>{escape(words)}</text>'


def line(kind, x1, y1, x2, y2):
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def nice_step(span, steps):
    """The smallest of 1, 2, 5 times a power of ten that covers the span in so many steps."""
    rough = span / steps
    power = 10 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))


def ticks(top, steps=6):
    step = nice_step(top, steps)
    return [step * i for i in range(int(math.ceil(top / step - 1e-9)) + 1)]


def bars(title, rows):
    """Ratios on a logarithmic axis; a bar begins at 1. `rows`: dicts of label, value, least, largest, target
    (or None) and marks {name of FORMS: value}."""
    left, right, top, step = 330, 70, 56, 30
    shown = [value for row in rows for value in (row["least"], row["largest"], row["target"] or 1, *row["marks"].values())]
    first, last = min(*shown, 1) / 1.06, max(*shown, 1.5) * 1.06
    bottom = top + step * len(rows)

    def place(value):
        return left + (WIDTH - left - right) * math.log(value / first) / math.log(last / first)

    parts = [text(8, 20, title), *legend([name for name in FORMS if any(name in row["marks"] for row in rows)])]
    for value in (value for value in RATIO_TICKS if first <= value <= last):
        parts += [line("axis" if value == 1 else "grid", place(value), top - 6, place(value), bottom),
                  text(place(value), bottom + 16, f"{value:g}", "middle", "small")]
    for index, row in enumerate(rows):
        parts += bar(row, top + step * index, place, left)
    return document(bottom + 28, parts, title)


def bar(row, y, place, left):
    is_over = row["target"] is not None and row["value"] > row["target"]
    middle, begin, end = y + 9, *sorted((place(1), place(row["value"])))
    parts = [text(left - 8, y + 13, row["label"], "end"),
             f'<rect class="{"over" if is_over else "ok"}" x="{begin:.1f}" y="{y}" width="{end - begin:.1f}" height="18"/>',
             line("range", place(row["least"]), middle, place(row["largest"]), middle)]
    if row["target"] is not None:
        parts.append(line("target", place(row["target"]), y - 4, place(row["target"]), y + 22))
    parts += [f'<path class="mark" transform="translate({place(value):.1f},{middle})" d="{FORMS[name]}"/>'
              for name, value in row["marks"].items()]
    end = max(place(value) for value in (row["value"], row["largest"], row["target"] or 1, *row["marks"].values()))
    return parts + [text(end + 8, y + 13, f"{row['value']:.2f}" + (" over" if is_over else ""))]


def legend(names):
    parts, x, y = [line("target", 14, 30, 14, 44), text(22, 41, "target", kind="small"),
                   line("range", 70, 37, 90, 37), text(96, 41, "least to largest of the rounds", kind="small")], 280, 37
    for name in names:
        parts += [f'<path class="mark" transform="translate({x},{y})" d="{FORMS[name]}"/>',
                  text(x + 9, y + 4, name, kind="small")]
        x += 80
    return parts


def powers(least, most):
    """Powers of ten around both."""
    first, last = math.floor(math.log10(least)), math.ceil(math.log10(most))
    return [10.0 ** power for power in range(first, max(last, first + 1) + 1)]


def lines(title, names, points, unit, x_name, y_axis="linear"):
    """`points`: [(x, [y of each name])], x above 0 and drawn on a logarithmic axis; `y_axis` may be
    "logarithmic", too."""
    left, right, top, bottom = 90, 30, 56, 300
    first, last = math.log10(points[0][0]), math.log10(points[-1][0])
    drawn = [y for _, ys in points for y in ys if y is not None]
    is_log = y_axis == "logarithmic"
    values = powers(min(drawn), max(drawn)) if is_log else ticks(max(drawn) * 1.05)

    def across(x):
        return left + (WIDTH - left - right) * (math.log10(x) - first) / max(last - first, 1e-9)

    def up(y):
        share = math.log(y / values[0]) / math.log(values[-1] / values[0]) if is_log else y / values[-1]
        return bottom - (bottom - top) * share

    parts = [text(8, 20, title)]
    for value in values:
        parts += [line("grid", left, up(value), WIDTH - right, up(value)),
                  text(left - 8, up(value) + 4, f"{value:,g}" if value < 1e4 else f"{value:,.0f}", "end", "small")]
    for x, _ in points:
        parts.append(text(across(x), bottom + 18, f"{x:,}", "middle", "small"))
    parts += [text(left - 8, top - 12, unit, "end", "small"), text(WIDTH - right, bottom + 34, x_name, "end", "small"),
              line("axis", left, bottom, WIDTH - right, bottom)]
    for index, name in enumerate(names):
        path = [(across(x), up(ys[index])) for x, ys in points if ys[index] is not None]
        parts.append(f'<polyline class="line{index}" points="' + " ".join(f"{x:.1f},{y:.1f}" for x, y in path) + '"/>')
        parts += [f'<circle class="dot{index}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in path]
        parts += [line(f"line{index}", 90 + 160 * index, 37, 120 + 160 * index, 37),
                  text(126 + 160 * index, 41, name, kind="small")]
    return document(bottom + 44, parts, title)
