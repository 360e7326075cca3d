"""The picture of the main results, drawn by gnuplot as SVG."""

import subprocess

CONTESTANTS = {"service": ("this service", "#1b6ca8"), "php-spliced": ("PHP, JSON spliced", "#e0a458"),
               "php": ("PHP", "#b8503c")}
BARS = {"floor": "rows\\nonly", "service": "this\\nservice", "php-spliced": "PHP, JSON\\nspliced",
        "php": "PHP"}
GROUPS = {"worker_cpu_ms": ("worker or PHP", "#1b6ca8"), "nginx_cpu_ms": ("nginx", "#7fb7be"),
          "mariadbd_cpu_ms": ("MariaDB", "#c9c9c9")}
WAYS = {("offset, rows only", "plain_p50_ms"): ("plain OFFSET", "#b8503c"),
        ("offset, rows only", "p50_ms"): ("offset", "#e0a458"),
        ("cursor, rows only", "p50_ms"): ("cursor", "#1b6ca8")}

PLOT = """
set terminal svg size 1080,360 font "DejaVu Sans,Helvetica,sans-serif,12" background "white"
set output "{path}"
set multiplot layout 1,3 margins 0.055,0.975,0.17,0.91 spacing 0.07
set border 3 lc rgb "#666666"
set tics nomirror out textcolor rgb "#333333"
set grid ytics lc rgb "#e4e4e4" lt 1
set style fill solid noborder
set style data histogram

set title "Requests a second, 8 clients"
set key top right samplen 1
set boxwidth 0.9 relative
set style histogram clustered gap 1
set logscale y
set yrange [{least}:{most}]
set xlabel "records a page"
plot {rates}

set title "Processor time of a page of 1000, ms"
set key top left Left reverse invert
set boxwidth 0.6 relative
set style histogram rowstacked
unset logscale y
set yrange [0:*]
set xlabel " "
plot {shares}

set title "Finding and fetching 20 records, ms"
set key noinvert
set style data linespoints
set logscale y
set yrange [*:*]
set xlabel "records before the page"
set xrange [-0.2:{depth_count}-0.8]
plot {times}
"""


def block(name, rows):
    """A named data block of gnuplot, from rows whose first cell is a label."""
    lines = "\n".join(" ".join([f'"{row[0]}"', *(f"{value:g}" for value in row[1:])]) for row in rows)
    return f"${name} << END\n{lines}\nEND\n"


def plots(data, columns, options=""):
    """The plots of a block's columns, each with a title and a color."""
    return ", ".join(f'${data} using {number}:xtic(1) title "{title}" lc rgb "{color}" {options}'
                     for number, (title, color) in enumerate(columns, start=2))


def draw(results, path):
    main = results["main"]
    loaded = {size: clients["8"] for size, clients in main.items()}
    rates = [(size, *(loaded[size][name]["requests_per_second"]["median"] for name in CONTESTANTS))
             for size in sorted(loaded, key=int)]
    shares = [(label, *(loaded["1000"][name][key]["median"] if key in loaded["1000"][name] else 0
                        for key in GROUPS))
              for name, label in BARS.items()]
    times = [(f"{int(depth):,}", *(figure[name][key]["median"] for name, key in WAYS))
             for depth, figure in results["depths"].items()]
    values = [value for row in rates for value in row[1:]]
    script = block("rates", rates) + block("shares", shares) + block("times", times) + PLOT.format(
        path=path, least=10 ** (len(str(int(min(values)))) - 1), most=max(values) * 4,
        depth_count=len(times), rates=plots("rates", CONTESTANTS.values()),
        shares=plots("shares", GROUPS.values()),
        times=plots("times", WAYS.values(), "lw 2 pt 7 ps 0.6"))
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
