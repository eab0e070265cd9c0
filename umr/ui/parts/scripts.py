"""What runs in the visitor's browser: listeners of the page's own HTML, and small steps after an event. No state."""

from __future__ import annotations

#: One listener per component: what was pressed is told by the button's data attribute, as an event of the component.
PRESSED = """
const events = { pick: 'select', example: 'select', chip: 'select', turn: 'select', more: 'submit', words: 'copy',
  details: 'expand' };
element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  const name = Object.keys(events).find((key) => button?.dataset[key] !== undefined);
  if (name) trigger(events[name], { id: button.dataset[name] });
});
"""
#: Clips play while the pointer or the focus is on them, one at a time.
PLAYS = """
const clip = (event) => event.target.closest?.('.u-card-video');
const play = (event) => { clip(event)?.querySelector('video').play().catch(() => {}); };
const rest = (event) => { const card = clip(event);
  if (card && !card.contains(event.relatedTarget)) card.querySelector('video').pause(); };
element.addEventListener('pointerover', play); element.addEventListener('pointerout', rest);
element.addEventListener('focusin', play); element.addEventListener('focusout', rest);
"""
#: The button that copies the page's address says that it did.
COPIES = """
element.addEventListener('click', async (event) => {
  const button = event.target.closest('[data-copy]');
  if (!button) return;
  const label = button.querySelector('span');
  try { await navigator.clipboard.writeText(location.href); label.textContent = 'Copied'; }
  catch { label.textContent = 'Copy it from the address bar'; }
  setTimeout(() => { label.textContent = 'Copy link'; }, 2500);
});
"""
#: The details are a panel beside the results: Escape or its button closes it and gives the focus back.
PANEL = """
const panel = () => document.querySelector('#details');
window.umrCloseDetails = () => {
  if (!document.body.classList.contains('u-details-open')) return;
  document.body.classList.remove('u-details-open');
  const id = panel()?.dataset.for, card = [...document.querySelectorAll('#results [data-details]')];
  card.find((button) => button.dataset.details === id)?.focus({ preventScroll: true });
};
element.addEventListener('click', (event) => {
  if (event.target.closest('[data-close], [data-pick]')) window.umrCloseDetails(); });
document.addEventListener('keydown', (event) => { if (event.key === 'Escape') window.umrCloseDetails(); });
"""
#: In the page's head. The camera: what keeps it from being used is said below the bar, and the bar goes back to taking
#: files. A file that is dropped beside a box is not opened in the page's place.
VISITOR = """
(() => {
  const words = {
    NotFoundError: 'No camera was found on this device: upload a picture instead.',
    NotAllowedError: 'This page may not use the camera: allow it in the browser and try again, or upload a picture.',
    SecurityError: 'Browsers give their camera to https addresses only: upload a picture instead.',
  };
  const other = 'The camera cannot be used now, perhaps as another program has it: upload a picture instead.';
  let bar = null;
  document.addEventListener('click', (event) => {
    const source = event.target.closest?.('.source-selection button');
    if (!source) return;
    bar = source.closest('#q-bar, #c-bar');
    document.querySelectorAll('.u-camera').forEach((told) => told.remove());
  }, true);
  const refuse = (name) => {
    bar?.querySelector('.source-selection button')?.click();
    const told = document.createElement('p');
    told.className = 'u-notice u-camera'; told.setAttribute('role', 'alert'); told.textContent = words[name] || other;
    bar?.after(told);
  };
  if (!navigator.mediaDevices) Object.defineProperty(navigator, 'mediaDevices', { value: {
    enumerateDevices: async () => [], getUserMedia: async () => { throw new DOMException('', 'SecurityError'); } } });
  const asked = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    try { return await asked(wanted); } catch (error) { refuse(error.name); throw error; } };
  for (const name of ['dragover', 'drop'])
    addEventListener(name, (event) => { if (event.dataTransfer?.types.includes('Files')) event.preventDefault(); });
})();
"""
#: Shows the panel for the chosen result.
OPEN_PANEL = """(id) => { const panel = document.querySelector('#details');
  panel.dataset.for = id; panel.setAttribute('role', 'region'); panel.setAttribute('aria-label', 'Details of a result');
  document.body.classList.add('u-details-open'); panel.scrollTop = 0;
  requestAnimationFrame(() => panel.querySelector('[data-close]')?.focus({ preventScroll: true })); }"""
#: After a search: the page's address tells what is shown, and the results' beginning comes into view where it is not.
TO_RESULTS = """(address) => { window.umrAddress.tell('search', address);
  const results = document.querySelector('#results'), bar = document.querySelector('#q-bar');
  const top = results.getBoundingClientRect().top, kept = bar.offsetHeight + parseFloat(getComputedStyle(bar).top);
  const behavior = matchMedia('(prefers-reduced-motion: reduce)').matches ? 'instant' : 'smooth';
  if (top > innerHeight * 0.55 || top < 0) window.scrollBy({ top: top - kept - 20, behavior }); }"""
#: After a reference was chosen: back to the query bar, ready to type what should change.
TO_BAR = """() => { window.scrollTo({ top: 0, behavior: 'instant' });
  document.querySelector('#q-text textarea')?.focus(); }"""
#: What the page was opened with.
ADDRESS = "() => [window.umrAddress.opened]"
#: The address is being given: from now on it follows what is on show, beginning with the tab.
GIVEN = "(tab) => { window.umrAddress.given = true; window.umrAddress.tab(tab || 'search'); }"
#: In the page's head: keeps the address as the page is, each tab its own part, without a reload. KEYS: tab -> keys.
FOLLOW = """
window.umrAddress = {
  opened: location.search, given: false, keys: KEYS,
  put(next) { history.replaceState(null, '', location.pathname + (next.size ? '?' + next : '') + location.hash); },
  tell(tab, address) {
    if (!address) return;
    const next = new URLSearchParams(address);
    for (const [key, value] of new URLSearchParams(location.search))
      if (!this.keys[tab].includes(key) && !next.has(key)) next.append(key, value);
    this.put(next);
  },
  tab(name) {
    if (!this.given) return;
    const next = new URLSearchParams(location.search);
    if (name === 'search') next.delete('tab'); else next.set('tab', name);
    this.put(next);
  },
};
"""


def tell(tab: str) -> str:
    """The address tells what a tab shows."""
    return f"(address) => {{ window.umrAddress.tell('{tab}', address); }}"


def show(tab: str) -> str:
    """The address tells which tab is on show."""
    return f"() => {{ window.umrAddress.tab('{tab}'); }}"
