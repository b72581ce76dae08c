from __future__ import annotations

import io
import re

import pytest
import requests
from trifacta_emulator import Emulator, PresetFlow, ServerOptions, build_package, read_package


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
    assert f'<tr class="active"><th scope="row">{first}</th>' in text
    assert f'<tr class="inactive"><th scope="row">{second}</th>' in text
    assert re.findall(r'data-release="(\d+)"', text) == [str(second)]
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
    assert text.count("<script>") == 1  # the page's own
    assert "&lt;script&gt;alert(&#x27;x&#x27;)" in text


def test_flows(start):
    evil = "<script>alert('x')</script>"
    api = start(flows=(PresetFlow("Daily Orders"), PresetFlow(evil), PresetFlow("old")))
    api.emulator.store.delete_flow(1003)
    for _ in range(2):
        uuid = read_package(io.BytesIO(api.get("/v4/flows/1001/package").content)).uuid
    text = page(api)
    assert '<h2 id="flows-title">Flows</h2>' in text
    assert (
        '<th scope="row">1001</th><td>Daily Orders</td><td'
        ' class="time">2024-01-01T00:00:00.000Z</td><td>2</td>' in text
    )
    assert "&lt;script&gt;alert(&#x27;x&#x27;)" in text
    assert text.count("<script>") == 1  # the page's own
    assert "<td>old</td>" not in text
    # Such an event has no deployment and no release.
    assert (
        f"<td></td><td></td><td>flow 1001 exported as package {uuid}</td><td>admin@example.com</td>"
        in text
    )


def test_no_flows(api):
    assert "Flows</h2>" not in page(api)


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
    api = start(**options)
    text, address = page(api), api.emulator.url.removeprefix("http://")
    assert f"<title>{title} at {address} (emulator)</title>" in text
    assert f"<h1>{title} at {address} &ndash; emulator</h1>" in text


def test_a_name_says_which_instance_it_is():
    titles = []
    for name in ("Prod <1>", "Prod <2>"):
        with Emulator(server=ServerOptions(name=name)) as emulator:
            text = requests.get(emulator.url, timeout=30).text
        titles += re.findall(r"<title>(.*?) at .*</title>|<h1>(.*?) at ", text)
    assert titles == [
        (t, "") if i % 2 == 0 else ("", t)
        for t in ("Prod &lt;1&gt;", "Prod &lt;2&gt;")
        for i in (0, 1)
    ]


def test_no_other_page_may_frame_it_or_run_a_script_in_it(api):
    headers = requests.get(api.emulator.url, timeout=30).headers
    assert headers["x-frame-options"] == "DENY"
    policy = headers["content-security-policy"]
    assert {"default-src 'none'", "frame-ancestors 'none'", "form-action 'none'"} <= {
        part.strip() for part in policy.split(";")
    }
    assert "unsafe" not in policy


def test_an_empty_dev_instance_speaks_of_flows(start):
    text = page(start(instance_type="dev"))
    assert "No flows yet" in text
    assert "deployment" not in text.lower()
