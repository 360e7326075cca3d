"""The picture of the main results, drawn by gnuplot as SVG."""

import subprocess

NAMES = {"service": "this service", "php-spliced": "PHP, spliced", "php": "PHP"}
COLORS = {"service": "#1b6ca8", "php-spliced": "#e0a458", "php": "#b8503c"}
GROUPS = {"worker_cpu_ms": ("worker or PHP", "#1b6ca8"), "nginx_cpu_ms": ("nginx", "#7fb7be"),
          "mariadbd_cpu_ms": ("MariaDB", "#c9c9c9")}
WAYS = {"plain OFFSET, rows only": ("plain OFFSET", "#b8503c"),
        "offset, rows only": ("offset", "#e0a458"), "cursor, rows only": ("cursor", "#1b6ca8")}

PLOT = """
set terminal svg size 1080,360 font "DejaVu Sans,Helvetica,sans-serif,12" background "white"
set output "{path}"
set multiplot layout 1,3 margins 0.06,0.985,0.14,0.78 spacing 0.075
set border 3 lc rgb "#666666"
set tics nomirror out textcolor rgb "#333333"
set grid ytics lc rgb "#e4e4e4" lt 1
set key top left outside horizontal samplen 1 width -1 textcolor rgb "#333333"
set style fill solid noborder
set boxwidth 0.8 relative

set title "Requests a second, 8 clients" offset 0,2.6
set logscale y
set yrange [{rps_min}:{rps_max}]
set style data histogram
set style histogram clustered gap 1
set xlabel "records a page"
plot {rps}

set title "Processor time of a page of 1000, ms" offset 0,2.6
unset logscale y
set yrange [0:*]
set style histogram rowstacked
set boxwidth 0.6 relative
unset xlabel
plot {cpu}

set title "Finding and fetching 20 records, ms" offset 0,2.6
set logscale y
set yrange [*:*]
set style data linespoints
set xlabel "records before the page"
set xrange [-0.2:{depth_count}-0.8]
set offsets 0,0,0,0
plot {depth}
"""


def block(name, rows):
    """A named data block of gnuplot, from rows whose first cell is a label."""
    lines = "\n".join(" ".join([f'"{row[0]}"', *(f"{value:g}" for value in row[1:])]) for row in rows)
    return f"${name} << END\n{lines}\nEND\n"


def draw(results, path):
    main, depths = results["main"], results["depths"]

    def median(size, name, key):
        return main[size]["8"][name][key]["median"]

    sizes = sorted(main, key=int)
    rates = [(size, *(median(size, name, "requests_per_second") for name in NAMES)) for size in sizes]
    rps = ", ".join(f'$rps using {column + 2}:xtic(1) title "{NAMES[name]}" lc rgb "{COLORS[name]}"'
                    for column, name in enumerate(NAMES))
    shares = [({**NAMES, "floor": "rows only"}[name],
               *(main["1000"]["8"][name].get(key, {"median": 0})["median"] for key in GROUPS))
              for name in ("floor", *NAMES)]
    cpu = ", ".join(f'$cpu using {column + 2}:xtic(1) title "{title}" lc rgb "{color}"'
                    for column, (title, color) in enumerate(GROUPS.values()))
    times = [(f"{int(depth):,}", *(figure[way]["p50_ms"]["median"] for way in WAYS))
             for depth, figure in depths.items()]
    depth = ", ".join(f'$depth using 0:{column + 2}:xtic(1) title "{title}" lc rgb "{color}" lw 2 pt 7 ps 0.6'
                      for column, (title, color) in enumerate(WAYS.values()))
    values = [value for row in rates for value in row[1:]]
    script = block("rps", rates) + block("cpu", shares) + block("depth", times) + PLOT.format(
        path=path, rps=rps, cpu=cpu, depth=depth, depth_count=len(times),
        rps_min=10 ** (len(str(int(min(values)))) - 1), rps_max=max(values) * 1.5)
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
