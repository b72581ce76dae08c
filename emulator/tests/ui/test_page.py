from __future__ import annotations

import io

import pytest
from trifacta_emulator import PresetFlow, build_package, read_package


def page(api):
    api.session.auth = lambda request: request
    response = api.get("/", headers={"Accept": "text/html"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    return response.text


def test_empty(api):
    text = page(api)
    assert "No deployments yet" in text
    assert "needs no login" in text
    assert "http://" not in text
    assert "https://" not in text


def test_active_release_is_marked(api, package):
    api.deployment("Nightly")
    first, second = api.release(1, package), api.release(1, package)
    api("PATCH", f"/v4/releases/{first}", json={"active": True})
    text = page(api)
    assert text.count('<tr class="active">') == 1
    assert f'<tr class="active"><td>{first}</td>' in text
    assert f'<tr class="inactive"><td>{second}</td>' in text
    assert "release activated" in text
    assert "No release is active" not in text


def test_no_active_release(api, package):
    release = api.release(api.deployment(), package)
    api("PATCH", f"/v4/releases/{release}", json={"active": False})
    assert "No release is active" in page(api)


def test_everything_is_escaped(start):
    evil = "<script>alert('x')</script>&\""
    api = start()
    api.deployment(evil)
    api.release(1, build_package(evil, comment=evil, uuid=evil))
    text = page(api)
    assert "<script>" not in text
    assert "&lt;script&gt;alert(&#x27;x&#x27;)" in text


def test_flows(start):
    evil = "<script>alert('x')</script>"
    api = start(flows=(PresetFlow("Daily Orders"), PresetFlow(evil), PresetFlow("old")))
    api.emulator.store.delete_flow(1003)
    for _ in range(2):
        uuid = read_package(io.BytesIO(api.get("/v4/flows/1001/package").content)).uuid
    text = page(api)
    assert "<h2>Flows</h2>" in text
    assert '<td>1001</td><td>Daily Orders</td><td class="time">2024-01-01T00:00:00.000Z</td><td>2</td>' in text
    assert "&lt;script&gt;alert(&#x27;x&#x27;)" in text
    assert "<script>" not in text
    assert "<td>old</td>" not in text
    # Such an event has no deployment and no release.
    assert f"<td></td><td></td><td>flow 1001 exported as package {uuid}</td><td>admin@example.com</td>" in text


def test_no_flows(api):
    assert "<h2>Flows</h2>" not in page(api)


@pytest.mark.parametrize(
    ("options", "title"),
    [
        ({"instance_type": "dev"}, "Dev instance"),
        ({"instance_type": "prod"}, "Prod instance: Deployment Manager"),
        ({"instance_type": "both"}, "Dev and Prod instance: Deployment Manager"),
        ({"deployment_manager": False}, "Dev instance"),
    ],
)
def test_title_and_heading_tell_the_kind_of_instance(start, options, title):
    text = page(start(**options))
    assert f"<title>{title} (emulator)</title>" in text
    assert f"<h1>{title} &ndash; emulator</h1>" in text


def test_an_empty_dev_instance_speaks_of_flows(start):
    text = page(start(instance_type="dev"))
    assert "No flows yet" in text
    assert "deployment" not in text.lower()
