"""Stored answers of the core's test program (core_test.cpp): its data made again, its sums with mpmath, by nothing of the core.

`python tests/native/answers.py` writes answers.inc beside this file. A number is stored with the sum of its absolute
terms, through which the roundings of z go too: with z = b + sum w_j x_j the terms of z are A = |b| + sum |w_j x_j|,
those of a function f of z |f| + |f'| A.
"""

import math
from pathlib import Path

import mpmath
from mpmath import mpf

PRECISION = 160  # bits; numbers of more are asked for where they cancel
MASK = 2**64 - 1
EDGES = (18.0, -18.0, 37.0, -37.0, 710.0, -710.0, 1e4, -1e4)
M, M_INDEX, M_PAIRS, M_WIDE = 2500, 1700, 150, 60
EVERY = 61  # rows of z and of curvatures that are stored


# --- the data: each function has its twin in core_test.cpp -----------------------------------------------------------------


def draw(stream, at):
    x = ((stream << 32) + at + 1) * 0x9E3779B97F4A7C15 & MASK
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & MASK
    return x ^ x >> 31


def real(stream, at):
    """Of [-1, 1), in 53 bits."""
    return (draw(stream, at) >> 11) * 2.0**-52 - 1.0


def short(stream, at):
    """Of [-1, 1), in 24 bits: a float32."""
    return (draw(stream, at) >> 40) * 2.0**-23 - 1.0


def edge(i):
    """Where z is to be at the edge in row i; or None."""
    return EDGES[i // 50 % 8] if i % 50 == 7 else None


def first(i, x):
    """x of the first slot, whose w is 1 at the first point, where b is 1/2."""
    return x if edge(i) is None else edge(i) - 0.5


def label(i, classes=2):
    return draw(1, i) % classes if edge(i) is None else i // 400 % classes


def weight(i):
    return 0.0 if i % 13 == 5 else 1.5 + real(2, i)


def there(stream, i):
    """Whether bit i of a bitmap is set."""
    return draw(stream, i) % 5 != 0


class Design:
    """Rows as lists of (slot, x) with all elements that are stored; numbers and dense rows store all of theirs."""

    def __init__(self, m, n, row, counted=(), centers=None, powers=None, index=None, numbers=None):
        self.n, self.index = n, index
        self.stored = [row(i) for i in range(m)]
        self.counted = set(counted)  # slots of categories and sparse columns
        self.categories = set()
        self.centers, self.powers = centers or [0.0] * n, powers or [1.0] * n
        self.numbers = list(range(n)) if numbers is None else numbers
        far = [j for j in range(n) if self.centers[j]]
        self.rows = []  # (slot, x as seen, its terms) of the rows that y and the like have
        self.place = index or list(range(m))
        seen = []
        for stored in self.stored:
            x = dict(stored)
            slots = list(x) + [j for j in far if j not in x]
            p, c = self.powers, self.centers
            seen.append([(j, (mpf(x.get(j, 0)) - c[j]) * p[j], (abs(x.get(j, 0)) + abs(c[j])) * p[j]) for j in slots])
        self.rows = [seen[place] for place in self.place]


def dense():
    def row(i):
        if edge(i) is not None:
            return [(0, edge(i) - 0.5)] + [(j, 0.0) for j in range(1, 19)]
        return [(j, real(10, 19 * i + j)) for j in range(19)]

    return row


def dense_design():
    return Design(M, 19, dense())


def seen_dense_design():
    centers = [0.0 if j == 0 else real(11, j) for j in range(19)]
    return Design(M, 19, dense(), centers=centers, powers=[2.0 ** (j % 5 - 2) if j else 1.0 for j in range(19)])


def integers_design():
    return Design(M, 19, lambda i: [(j, float(draw(12, 19 * i + j) % 17) - 8.0) for j in range(19)])


def floats_design():
    def row(i):
        return [(j, first(i, short(13, 3 * i)) if j == 0 else short(13, 3 * i + j)) for j in range(3)] + [
            (3 + j, short(14, 9 * i + j)) for j in range(9)
        ]

    return Design(M, 12, row)


LEVELS = (6, 130, 20)  # of the categories among the columns


def columns_design():
    def row(i):
        valid, valid_bits, valid_codes = i >= 1300 or there(30, i), there(31, i), there(32, i)
        nan, code = draw(24, i) % 7 == 0, draw(28, i) % 9 - 3
        x = [
            first(i, real(20, i)),
            short(21, i),
            float(draw(22, i) % 4001 - 2000) if valid else 0.375,
            float(not valid),
            float(draw(23, i) % 2) if valid_bits else 0.25,
            -0.5 if nan else real(25, i),
            float(nan),
            float(draw(26, i) % 256),
            float(draw(27, i) % 2**40 - 2**39),
            float(draw(29, i) % 2),
            float(code < 0),
        ]
        levels = [code if code >= 0 else 5, draw(33, i) % LEVELS[1], draw(34, i) % LEVELS[2] if valid_codes else 0]
        starts = [11, 11 + LEVELS[0], 11 + LEVELS[0] + LEVELS[1]]
        return list(enumerate(x)) + [(at + level, 1.0) for at, level in zip(starts, levels, strict=True)]

    n = 11 + sum(LEVELS)
    numbers = [j for j in range(n) if j < 17 or (j - 17 < LEVELS[1] and (j - 17) % 20 == 0)]
    numbers += [j for j in range(17 + LEVELS[1], n) if (j - 17 - LEVELS[1]) % 4 == 0]
    design = Design(M, n, row, counted=range(11, n), numbers=numbers)
    design.categories = set(range(11, n))
    return design


def elements(stream, i, columns, number, target=False):
    """Row i of CSR: each column stored in a quarter of the rows; at the edges the first one always, where asked for."""
    at_edge = target and edge(i) is not None
    return [
        (j, edge(i) - 0.5 if at_edge and j == 0 else number(stream + 1, columns * i + j))
        for j in range(columns)
        if draw(stream, columns * i + j) % 4 == 0 or (at_edge and j == 0)
    ]


def sparse_design():
    def row(i):
        return elements(40, i, 13, real, True) + [(13 + j, x) for j, x in elements(42, i, 14, short)]

    return Design(M, 27, row, counted=range(27))


def mix_design():
    def row(i):
        x = [(j, first(i, real(50, 5 * i)) if j == 0 else real(50, 5 * i + j)) for j in range(5)]
        x += [(5 + draw(51, i) % 9, 1.0), (14, float(draw(52, i) % 2001 - 1000))]
        x += [(15 + j, v) for j, v in elements(53, i, 10, real)]
        return x + [(25 + j, short(55, 2 * i + j)) for j in range(2)]

    index = [draw(56, i) % M for i in range(M_INDEX)]
    design = Design(M, 27, row, counted=[*range(5, 14), *range(15, 25)], index=index)
    design.categories = set(range(5, 14))
    return design


def seen_mix_design():
    def row(i):
        x = [(0, first(i, real(60, 4 * i)))]
        x += [(j, real(60, 4 * i + j) * (2.0**-140 if j == 2 else 1.0)) for j in range(1, 4)]
        x += [(4, 1000.0 + real(61, i)), (5 + draw(62, i) % 3, 1.0)]
        return x + [(8 + j, v) for j, v in elements(63, i, 6, real)]

    centers, powers = [0.0] * 14, [1.0] * 14
    centers[1], powers[1] = 0.25, 4.0
    centers[2], powers[2] = 2.0**-141, 2.0**140
    centers[4], powers[4] = 1000.125, 2.0
    centers[9], powers[9] = -0.75, 0.5
    powers[10] = 8.0
    centers[12] = 0.3
    design = Design(M, 14, row, counted=range(5, 14), centers=centers, powers=powers)
    design.categories = {5, 6, 7}
    return design


def pairs_design():
    def row(i):
        return [(0, first(i, real(70, i))), (1 + draw(71, i) % 95, 1.0), (96 + draw(72, i) % 96, 1.0)]

    design = Design(M_PAIRS, 192, row, counted=range(1, 192))
    design.categories = set(range(1, 192))
    return design


FILLED = (0, 62, 63, 518)  # columns that are not 0 of the wide design


def wide_design():
    def row(i):
        return [(j, real(73, 519 * i + j)) for j in FILLED] + [(519 + draw(74, i) % 1020, 1.0)]

    design = Design(M_WIDE, 519 + 1020, row, counted=range(519, 1539))
    design.categories = set(range(519, 1539))
    return design


def point(n, d):
    """w and b of point (or output, or direction) d."""
    w = [real(3, 4096 * d + j) for j in range(n)]
    if d == 0:
        w[0] = 1.0
    return w, 0.5 if d == 0 else real(4, d)


# z and its change that are given, of row i
def given_z(i):
    return 3.0 * real(5, i) if edge(i) is None else edge(i)


def given_u(i):
    return real(6, i) * (2.0**-30 if i % 3 == 0 else 1.0)


def given_h(i):
    return 0.125 * (1.0 + real(7, i))


def point_weight(p, i):
    return 1.0 + 0.5 * real(8, M * p + i)


STEP = {"t": 0.3, "step": 0.0625, "pull": 0.05}

# --- the answers -----------------------------------------------------------------------------------------------------------


class Sum:
    """A number and its absolute terms."""

    __slots__ = ("terms", "value")

    def __init__(self):
        self.value, self.terms = mpf(0), 0.0

    def add(self, value, terms):
        self.value += value
        self.terms += float(terms)


class Sums:
    """Sums of every slot and of the bias, which are 0 where nothing was added."""

    def __init__(self, n):
        self.of = [Sum() for _ in range(n + 1)]

    def add(self, row, factor, terms):
        for j, x, ax in row:
            self.of[j].add(factor * x, terms * ax)
        self.of[-1].add(factor, terms)

    def add_squares(self, row, factor):
        for j, x, ax in row:
            self.of[j].add(factor * x * x, float(factor) * ax * ax)
        self.of[-1].add(factor, factor)


def sigmoid(t):
    return 1 / (1 + mpmath.exp(-t))


class At:
    """Loss, residual and curvature at z; `size`: the terms of z."""

    def __init__(self, z, y, size=0.0):
        sign = 1 - 2 * y
        t = sign * z
        self.loss = mpmath.log1p(mpmath.exp(t))
        self.residual = sign * sigmoid(t)
        self.h = sigmoid(t) * sigmoid(-t)
        self.right = (y == 1) == (z > 0)
        self.loss_terms = float(self.loss + abs(self.residual) * size)
        self.residual_terms = float(abs(self.residual) + self.h * size)
        self.h_terms = float(self.h * (1 + size))


def z_of(row, w, b):
    return sum((w[j] * x for j, x, _ in row), mpf(b)), sum(abs(w[j]) * ax for j, _, ax in row) + abs(b)


class Answers:
    def __init__(self):
        self.lines, self.names, self.count = [], [], 0

    def put(self, name, numbers):
        """Numbers: (value, terms) each. A run of zeros without terms is stored as (0, -its length)."""
        start, out, k = self.count, [], 0
        while k < len(numbers):
            value, terms = numbers[k]
            if value == 0 and terms == 0:
                end = k
                while end < len(numbers) and numbers[end][0] == 0 and numbers[end][1] == 0:
                    end += 1
                out.append(f"0,-{end - k}")
                k = end
            else:
                out.append(f"{as_hex(float(value))},{rounded_up(terms)}")
                k += 1
        self.names.append(f'{{"{name}", {start}, {len(out)}, {len(numbers)}}},')
        self.count += len(out)
        self.lines += [",".join(out[k : k + 4]) + "," for k in range(0, len(out), 4)]

    def put_sums(self, name, sums):
        self.put(name, [(each.value, each.terms) for each in sums])

    def text(self):
        return "\n".join(
            [
                "// Made by answers.py. Numbers, and the sums of their absolute terms; 0, -k: so many zeros.",
                "constexpr double kNumbers[] = {",
                *self.lines,
                "};",
                "// Name, first pair, pairs, numbers.",
                "constexpr Stored kStored[] = {",
                *self.names,
                "};",
                "",
            ]
        )


def as_hex(value):
    if math.isinf(value):
        return "HUGE_VAL" if value > 0 else "-HUGE_VAL"
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    mantissa, _, exponent = value.hex().partition("p")
    return mantissa.rstrip("0").rstrip(".") + "p" + exponent.removeprefix("+")


def rounded_up(terms):
    """Two digits, not below."""
    if terms == 0:
        return "0"
    if math.isinf(terms):
        return "HUGE_VAL"
    text = f"{terms:.1e}"
    if float(text) < terms:
        text = f"{terms * 1.05:.1e}"
    mantissa, _, exponent = text.partition("e")
    return mantissa.removesuffix(".0") + f"e{int(exponent)}"


def triangle(design, rows):
    """The matrix's upper triangle by rows, the bias last; rows: (row, c, its terms) each."""
    place = {slot: k for k, slot in enumerate(design.numbers)}
    side = len(place) + 1
    cells = {}
    for row, c, terms in rows:
        of = sorted((place[j], x, ax) for j, x, ax in row if j in place and (x or ax))
        of.append((side - 1, mpf(1), 1.0))
        for a, (i, x, ax) in enumerate(of):
            cx, tx = c * x, float(terms) * ax
            for j, other, size in of[a:]:
                cells.setdefault((i, j), Sum()).add(cx * other, tx * size)
    nothing = Sum()
    return [cells.get((i, j), nothing) for i in range(side) for j in range(i, side)]


def put_all(answers, name, design, weights=weight):
    w, b = point(design.n, 0)
    q = [0.5 + 0.25 * real(9, j) for j in range(design.n + 1)]
    scalars, gradient, sums, squares = [Sum() for _ in range(4)], Sums(design.n), Sums(design.n), Sums(design.n)
    counts, low, high = [0] * design.n, [-math.inf] * design.n, [-math.inf] * design.n
    norm, norm_terms, rows, zs, hs = mpf(0), 0.0, [], [], []
    for i, row in enumerate(design.rows):
        s, y = weights(i), label(i)
        z, size = z_of(row, w, b) if s else (mpf(b), abs(b))
        at = At(z, y, size)
        if i % EVERY == 0:
            zs.append((z, size))
            hs.append((at.h, at.h_terms))
        if not s:
            continue
        scalars[0].add(s * at.loss, s * at.loss_terms)
        for k, value in enumerate((s * at.right, s, 1.0), 1):
            scalars[k].add(value, value)
        gradient.add(row, s * at.residual, s * at.residual_terms)
        sums.add(row, mpf(s), s)
        squares.add_squares(row, mpf(s))
        rows.append((row, s * at.h, s * at.h_terms))
        found = sum((q[j] * x * x for j, x, _ in row), mpf(q[-1]))
        terms = sum(q[j] * ax * ax for j, _, ax in row) + q[-1]
        norm, norm_terms = (found, terms) if found > norm else (norm, norm_terms)
        for j, x in design.stored[design.place[i]]:
            counts[j] += j in design.counted
            if j not in design.categories:
                low[j], high[j] = max(low[j], -x), max(high[j], x)
    answers.put_sums(f"{name}.all.scalars", scalars)
    answers.put_sums(f"{name}.all.gradient", gradient.of)
    answers.put_sums(f"{name}.all.sums", sums.of)
    answers.put_sums(f"{name}.all.squares", squares.of)
    answers.put(f"{name}.all.counts", [(each, 0) for each in counts])
    answers.put(f"{name}.all.extremes", [(each, 0) for each in low + high])
    answers.put(f"{name}.all.norm", [(norm, norm_terms)])
    answers.put_sums(f"{name}.all.matrix", triangle(design, rows))
    answers.put(f"{name}.all.z", zs)
    answers.put(f"{name}.all.h", hs)


def put_points(answers, name, design, with_squares):
    for p in range(3):
        w, b = point(design.n, p)
        scalars, gradient, squares, zs, hs = [Sum() for _ in range(4)], Sums(design.n), Sums(design.n), [], []
        for i, row in enumerate(design.rows):
            s = mpf(point_weight(p, i))
            z, size = z_of(row, w, b)
            at = At(z, label(i), size)
            if i % EVERY == 0:
                zs.append((z, size))
                hs.append((at.h, at.h_terms))
            scalars[0].add(s * at.loss, s * at.loss_terms)
            for k, value in enumerate((s * at.right, s, 1.0), 1):
                scalars[k].add(value, value)
            gradient.add(row, s * at.residual, float(s) * at.residual_terms)
            squares.add_squares(row, s)
        answers.put_sums(f"{name}.points.{p}.scalars", scalars)
        answers.put_sums(f"{name}.points.{p}.gradient", gradient.of)
        if with_squares:
            answers.put_sums(f"{name}.points.{p}.squares", squares.of)
        answers.put(f"{name}.points.{p}.z", zs)
        answers.put(f"{name}.points.{p}.h", hs)


def put_product(answers, name, design, with_sums):
    v, b = point(design.n, 1)
    product, sums, squares, weights, zs = Sums(design.n), Sums(design.n), Sums(design.n), Sum(), []
    rows = 0
    for i, row in enumerate(design.rows):
        s = weight(i)
        u, size = z_of(row, v, b) if s else (mpf(b), abs(b))
        if i % EVERY == 0:
            zs.append((u, size))
        if not s:
            continue
        c = mpf(s) * given_h(i)
        product.add(row, c * u, float(c) * size)
        sums.add(row, c, float(c))
        squares.add_squares(row, c)
        weights.add(c, c)
        rows += 1
    answers.put(f"{name}.product.scalars", [(0, 0), (0, 0), (weights.value, weights.terms), (rows, 0)])
    for what, found in (("product", product), ("sums", sums), ("squares", squares)):
        if what != "product" and not with_sums:
            continue
        answers.put_sums(f"{name}.product.{what}", found.of)
    answers.put(f"{name}.product.z", zs)


def put_secant(answers, name, design):
    v, b = point(design.n, 1)
    scalars, gradient, change, sums, squares = [Sum() for _ in range(4)], *(Sums(design.n) for _ in range(4))
    for i, row in enumerate(design.rows):
        s, z = weight(i), given_z(i)
        if not s:
            continue
        u, size = z_of(row, v, b)
        at = At(mpf(z), label(i))
        scalars[0].add(s * at.loss, s * at.loss)
        for k, value in enumerate((s * at.right, s, 1.0), 1):
            scalars[k].add(value, value)
        gradient.add(row, s * at.residual, s * abs(at.residual))
        changed = mpmath.sinh(u / 2) / (2 * mpmath.cosh(mpf(z) / 2) * mpmath.cosh((z + u) / 2))
        steep = sigmoid(z + u) * sigmoid(-z - u)
        change.add(row, s * changed, s * float(abs(changed) * (1 + abs(z) + size) + steep * size))
        sums.add(row, s * at.h, s * at.h)
        squares.add_squares(row, s * at.h)
    answers.put_sums(f"{name}.secant.scalars", scalars)
    for what, found in (("gradient", gradient), ("change", change), ("sums", sums), ("squares", squares)):
        answers.put_sums(f"{name}.secant.{what}", found.of)


def put_softmax(answers, name, design):
    points = [point(design.n, d) for d in range(3)]
    scalars, gradient = [Sum() for _ in range(4)], [Sums(design.n) for _ in range(3)]
    for i, row in enumerate(design.rows):
        s, y = weight(i), label(i, 3)
        if not s:
            continue
        z, sizes = zip(*(z_of(row, *each) for each in points), strict=True)
        most = max(z)
        e = [mpmath.exp(each - most) for each in z]
        p = [each / sum(e) for each in e]
        others = sum(e[k] for k in range(3) if k != y)
        # log(1 + others/own) keeps a small loss's digits.
        loss = mpmath.log1p(sum(mpmath.exp(z[k] - z[y]) for k in range(3) if k != y))
        residual = [p[k] if k != y else -others / sum(e) for k in range(3)]
        scalars[0].add(s * loss, s * float(loss + most - z[y] + sum(abs(residual[k]) * sizes[k] for k in range(3))))
        for k, value in enumerate((s * (z.index(most) == y), s, 1.0), 1):
            scalars[k].add(value, value)
        for k in range(3):
            rest = sum(p[j] for j in range(3) if j != k)
            moved = p[k] * (rest * sizes[k] + sum(p[j] * sizes[j] for j in range(3) if j != k))
            gradient[k].add(row, s * residual[k], s * float(abs(residual[k]) + moved))
    answers.put_sums(f"{name}.softmax.scalars", scalars)
    for k in range(3):
        answers.put_sums(f"{name}.softmax.gradient.{k}", gradient[k].of)


def put_along(answers):
    sums, zs = [Sum() for _ in range(6)], []
    t, step = STEP["t"], STEP["step"]
    for i in range(M):
        s, z, u = weight(i), given_z(i), mpf(given_u(i))
        after, size = z + t * u + step, float(abs(z) + abs(t * u) + abs(step))
        if i % EVERY == 0 and s:
            zs.append((after, size))
        if not s:
            continue
        at = At(after, label(i), size)
        au = abs(u)
        sums[0].add(s * at.loss, s * at.loss_terms)
        sums[1].add(s * at.residual * u, s * at.residual_terms * au)
        sums[2].add(s * at.residual, s * at.residual_terms)
        sums[3].add(s * at.h * u * u, s * at.h_terms * u * u)
        sums[4].add(s * at.h * u, s * at.h_terms * au)
        sums[5].add(s * at.h, s * at.h_terms)
    answers.put_sums("along.scalars", sums)
    answers.put("along.z", zs)


def feasible_row(y, z, u, h, t, step, pull):
    """The numbers of a row of weight 1, and their terms."""
    sign, size = 1 - 2 * y, float(abs(z) + abs(t * u) + abs(step))
    now, there_, after = At(mpf(z), y), At(z + u, y, float(abs(z) + abs(u))), At(z + t * u + step, y, size)
    before = sign * now.residual
    free = before + t * (sign * there_.residual - before) - mpf(pull) * sign * mpf(h)
    D, R = min(max(free, mpf(0)), mpf(1)), sign * after.residual
    # D and R are rounded at their own sizes. So is what is at least their divergence: it is a part of numbers of about 1.
    terms = float(before + t * (there_.residual_terms + before) + pull * h) + after.residual_terms
    moved = D - R
    left = abs(moved) / (R if moved < 0 else 1 - R)
    bound = abs(moved) / 2 * (abs(moved) / (R * (1 - R)) + left**2)
    return (
        (after.loss, after.loss_terms),
        (mpf(after.right), 1.0),
        (bound, float(bound) + terms),
        (abs(D - free), terms),
        (D if y else mpf(0), terms if y else 0.0),
        (mpf(0) if y else D, 0.0 if y else terms),
        (abs(moved), terms),
        (after.h, after.h_terms),
    )


def put_feasible(answers):
    sums, largest = [Sum() for _ in range(8)], mpf(0)
    t, step, pull = STEP["t"], STEP["step"], STEP["pull"]
    for i in range(M):
        s, z, u = weight(i), given_z(i), mpf(given_u(i))
        if not s:
            continue
        # At the edges D and R are so near 1 that their difference needs thousands of digits.
        with mpmath.workprec(32000 if abs(z) > 100 else PRECISION):
            for k, (value, of) in enumerate(feasible_row(label(i), z, u, given_h(i), t, step, pull)):
                sums[k].add(s * value, s * of)
        largest = max(largest, abs(z + t * u + step))
    answers.put_sums("feasible.scalars", sums)
    answers.put("feasible.norm", [(largest, float(largest))])


def put_pointwise(answers):
    """Each to full relative accuracy, however small."""
    zs = [*EDGES, 0.0, *(30.0 * real(90, i) for i in range(24)), *(2.0**-k for k in range(10, 60, 10)), 745.0, -745.0]
    found = [At(mpf(z), y) for z in zs for y in (0, 1)]
    answers.put("pointwise.loss", [(each.loss, float(each.loss)) for each in found])
    answers.put("pointwise.residual", [(each.residual, float(abs(each.residual))) for each in found])
    answers.put("pointwise.h", [(each.h, float(each.h)) for each in found])


def make():
    answers = Answers()
    put_pointwise(answers)
    put_along(answers)
    put_feasible(answers)
    designs = {
        "dense": dense_design(),
        "dense-seen": seen_dense_design(),
        "floats": floats_design(),
        "columns": columns_design(),
        "sparse": sparse_design(),
        "mix": mix_design(),
        "mix-seen": seen_mix_design(),
    }
    for name, design in designs.items():
        put_all(answers, name, design)
        few = name != "columns"  # of the others all is stored
        if name != "dense-seen":
            put_points(answers, name, design, few)
        put_product(answers, name, design, few)
        put_secant(answers, name, design)
        if few:
            put_softmax(answers, name, design)
    integers = integers_design()
    rows = [(row, mpf(4) ** (draw(91, i) % 3), 4.0 ** (draw(91, i) % 3)) for i, row in enumerate(integers.rows)]
    answers.put_sums("integers.matrix", triangle(integers, [(row, c / 4, c / 4) for row, c, _ in rows]))
    for name, design in (("pairs", pairs_design()), ("wide", wide_design())):
        weighted = [(row, mpf(given_h(i)), given_h(i)) for i, row in enumerate(design.rows)]
        answers.put_sums(f"{name}.matrix", triangle(design, weighted))
    return answers.text()


if __name__ == "__main__":
    with mpmath.workprec(PRECISION):
        Path(__file__).with_name("answers.inc").write_text(make(), encoding="utf-8")
