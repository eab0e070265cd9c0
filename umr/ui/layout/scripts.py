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
#: Shows the panel for the chosen result.
OPEN_PANEL = """(id) => { const panel = document.querySelector('#details');
  panel.dataset.for = id; panel.setAttribute('role', 'region'); panel.setAttribute('aria-label', 'Details of a result');
  document.body.classList.add('u-details-open'); panel.scrollTop = 0;
  requestAnimationFrame(() => panel.querySelector('[data-close]')?.focus({ preventScroll: true })); }"""
#: After a search: the page's address tells what is shown, and the results' beginning comes into view where it is not.
TO_RESULTS = """(address) => { if (address) history.replaceState(null, '', location.pathname + address);
  const results = document.querySelector('#results'), bar = document.querySelector('#query-bar');
  const top = results.getBoundingClientRect().top, kept = bar.offsetHeight + parseFloat(getComputedStyle(bar).top);
  const behavior = matchMedia('(prefers-reduced-motion: reduce)').matches ? 'instant' : 'smooth';
  if (top > innerHeight * 0.55 || top < 0) window.scrollBy({ top: top - kept - 20, behavior }); }"""
#: After a reference was chosen: back to the query bar, ready to type what should change.
TO_BAR = """() => { window.scrollTo({ top: 0, behavior: 'instant' });
  document.querySelector('#q-text textarea')?.focus(); }"""
#: What the page was opened with.
ADDRESS = "() => [location.search]"
