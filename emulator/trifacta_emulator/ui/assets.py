"""Style and script of the pages."""

from __future__ import annotations

#: Each text has a contrast of at least 4.5 to its ground.
STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 0; background: #f3f5f8; color: #1d2733; }
header { background: #17324d; color: #fff; padding: 18px 32px; }
header h1 { margin: 0; font-size: 20px; overflow-wrap: anywhere; }
header p { margin: 4px 0 0; color: #d5e0ec; font-size: 13px; }
main { max-width: 1080px; margin: 24px auto; padding: 0 24px; }
section { background: #fff; border: 1px solid #dbe2ea; border-radius: 8px; margin-bottom: 20px; }
section h2 { font-size: 16px; margin: 0; padding: 14px 18px; overflow-wrap: anywhere; }
section h2 small { color: #4d5b6a; font-weight: normal; margin-left: 8px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
caption, .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); }
th, td { text-align: left; padding: 8px 18px; border-top: 1px solid #e8edf2;
  overflow-wrap: anywhere; }
thead th { font-size: 12px; color: #4d5b6a; text-transform: uppercase;
  letter-spacing: .04em; overflow-wrap: normal; }
tbody th { font-weight: normal; }
td.state { white-space: nowrap; }
td.code { font-family: ui-monospace, monospace; font-size: 13px; }
tr.active { background: #eaf7ef; }
.badge { display: inline-block; white-space: nowrap; overflow-wrap: normal; border-radius: 10px;
  padding: 2px 10px; font-size: 12px; background: #e8edf2; color: #3d4956; }
.badge.active { background: #17693a; color: #fff; font-weight: 600; }
.badge.failed { background: #b3261e; color: #fff; font-weight: 600; }
button { font: inherit; font-size: 13px; padding: 3px 10px; margin-left: 8px;
  border: 1px solid #17324d;
  border-radius: 6px; background: #fff; color: #17324d; cursor: pointer; }
button:focus-visible, a:focus-visible, input:focus-visible, .scroll:focus-visible {
  outline: 3px solid #1b5fa8; }
a { color: #0b4f9c; }
.none { padding: 0 18px 14px; margin: 0; color: #4d5b6a; }
.warning { color: #933500; }
#said:empty { display: none; }
#said { margin: 0 0 20px; padding: 10px 18px; background: #fff; border-left: 4px solid #17324d; }
@media (max-width: 640px) {
  header { padding: 12px; }
  main { margin: 12px auto; padding: 0 8px; }
  th, td { padding: 6px; }
  td.state { white-space: normal; overflow-wrap: normal; }
  td.state button { margin: 4px 0 0; }
}
"""

#: Only the sections that changed are replaced, so that the reader keeps the place, the focus and a
#: selection.
SCRIPT = """
const said = document.getElementById('said');
let work = Promise.resolve();

function refresh(always) {
  work = work.then(() => load(always));
  return work;
}

async function load(always) {
  const selected = String(getSelection());
  if (!always && (document.hidden || selected)) return;
  try {
    const answer = await fetch(location.href, {headers: {Accept: 'text/html'}});
    if (answer.ok) show(new DOMParser().parseFromString(await answer.text(), 'text/html'));
  } catch (error) { /* The emulator is away for a moment. */ }
}

async function loop() {
  await refresh(false);
  setTimeout(loop, 5000);
}

function show(page) {
  const focused = document.activeElement && document.activeElement.id;
  const now = document.getElementById('sections'), next = page.getElementById('sections');
  const known = new Map([...now.children].map(section => [section.id, section]));
  let place = now.firstElementChild;
  for (const section of [...next.children]) {
    const old = known.get(section.id);
    known.delete(section.id);
    if (old && old.outerHTML === section.outerHTML && old === place) {
      place = place.nextElementSibling;
    } else {
      if (old && old === place) place = place.nextElementSibling;
      if (old) old.remove();
      now.insertBefore(document.adoptNode(section), place);
    }
  }
  for (const gone of known.values()) gone.remove();
  const again = focused && document.getElementById(focused);
  if (again && document.activeElement !== again) again.focus({preventScroll: true});
}

async function activate(release) {
  const headers = {'Content-Type': 'application/json'};
  const token = sessionStorage.getItem('admin-token');
  if (token) headers.Authorization = 'Bearer ' + token;
  const path = '/emulator/releases/' + release;
  const body = JSON.stringify({active: true});
  const answer = await fetch(path, {method: 'PATCH', headers, body});
  if (answer.ok) {
    await refresh(true);
    said.textContent = 'Release ' + release + ' is active.';
  } else if (answer.status === 401) {
    sessionStorage.removeItem('admin-token');
    ask(release);
    return;
  } else {
    const details = (await answer.json()).exception.details;
    said.textContent = 'Release ' + release + ' was not changed: ' + details;
    await refresh(true);
  }
}

function ask(release) {
  const form = document.createElement('form');
  form.innerHTML = '<label>Admin token of this emulator '
    + '<input type="password" autocomplete="off"></label>'
    + '<button>Activate</button>';
  form.addEventListener('submit', event => {
    event.preventDefault();
    sessionStorage.setItem('admin-token', form.querySelector('input').value);
    said.replaceChildren();
    activate(release);
  });
  said.replaceChildren(form);
  form.querySelector('input').focus();
}

document.addEventListener('click', event => {
  const button = event.target.closest('button[data-release]');
  if (button) activate(button.dataset.release);
});
setTimeout(loop, 5000);
"""
