"""Import rules, packages that they apply to, and what an import made of them."""

from __future__ import annotations

from trifacta_emulator import Connection, PresetConnection, build_package

DEV = Connection(24, "dev db", "2d7c1650-7daa-11e9-b9eb-0fd11bed75ab")
PROD_UUID = "d75255f0-a245-11e7-8618-adc1dbb4bed0"
PROD, OTHER = PresetConnection("prod db", PROD_UUID), PresetConnection("other db", "u-other")
#: A product version for each generation.
VERSIONS = {"6.0": "6.0.1", "6.8": "6.8.0", "8.0": "9.7.0"}
PATHS = {
    "dataset_path": "s3://wrangle-dev/dev/in/orders.csv",
    "output_path": "s3://wrangle-dev/dev/out/orders.csv",
}
PARAMETERISED = {
    "dataset_path": "s3://dev-lake/dev/{region}.csv",
    "dataset_parameters": {"region": "eu"},
}
UNCHANGED = {"object": [], "value": []}


def replacing(kind, on, to):
    return {"type": kind, "on": on, "with": to}


EVERYWHERE = (replacing("s3Bucket", "dev", "prod"), replacing("fileLocation", "dev", "prod"))


def package_of(generation, **arguments):
    # 6.0 takes packages of its own release only.
    version = VERSIONS[generation] if generation == "6.0" else None
    return build_package(generation=generation, product_version=version, **arguments)


def tables_of(api, answer):
    return api.emulator.store.release(answer["release"]["id"]).imported.tables


def imported(api, package, path="releases"):
    response = api.upload(1, package, path)
    assert response.status_code in (200, 201), response.text
    return response.json()
