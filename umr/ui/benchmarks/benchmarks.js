// Benchmarks: the queries behind a number open below its row, as a step of the browser's history; on a small screen only
// the first table of all begins open.
Object.assign(window.umr, {
  tables(element, trigger) {
    const narrow = matchMedia('(max-width: 640px)');
    const fold = () => {
      if (!narrow.matches || element.dataset.folded === 'yes') return;
      const tables = element.querySelectorAll('details.u-table');
      if (!tables.length) return;
      element.dataset.folded = 'yes';
      tables.forEach((table, place) => { table.open = place === 0 && !!element.closest('#benchmarks'); });
    };
    const place = element.closest('#benchmarks') ? 'table' : 'pair';
    // What the step of the history on show has open in these tables, and they have not: opened again.
    const again = () => {
      const { at, key } = umr.drillStep() || {};
      if (at !== place || document.querySelector('.u-drill-row')) return;
      const number = key.slice(0, key.lastIndexOf('|') + 1), all = [...element.querySelectorAll('.u-num[data-drill]')];
      const found = all.find((one) => one.dataset.drill.startsWith(number));  // whichever page of it
      if (!found) return;
      found.closest('details').open = true;
      umr.makeDrill(found);
      trigger('select', { id: key });
    };
    new MutationObserver(() => { fold(); again(); }).observe(element, { childList: true, subtree: true });
    addEventListener('popstate', again);
    element.addEventListener('click', (event) => {
      const pressed = event.target.closest('[data-drill]'), query = event.target.closest('.u-drill-row [data-query]');
      if (pressed?.matches('.u-num')) umr.makeDrill(pressed);
      if (pressed) umr.tellDrill({ drill: { at: place, key: pressed.dataset.drill } });
      if (query) umr.tellDrill({ drill: umr.drillStep(), query: query.dataset.query });
      if (event.target.closest('[data-shut]')) umr.shutDrill();
    });
  },

  // Which queries the step of the history on show has open, if it is one of this tab.
  drillStep() {
    return new URLSearchParams(location.search).get('tab') === 'benchmarks' ? history.state?.drill : undefined;
  },

  // What is open is one step of the history, whichever number's it is and however its pages are turned.
  tellDrill(told) {
    const state = { ...history.state, query: undefined, ...told };
    if (umr.drillStep() || !told.drill) history.replaceState(state, ''); else history.pushState(state, '');
  },

  // A row below the number that was pressed, of the height that its queries will have.
  makeDrill(number) {
    const row = number.closest('tr'), below = document.createElement('tr'), cell = document.createElement('td');
    document.querySelectorAll('.u-drill-row').forEach((one) => one.remove());
    umr.drilled = number;
    below.className = 'u-drill-row';
    cell.colSpan = row.children.length;
    cell.append(Object.assign(document.createElement('section'), { className: 'u-drill' }));
    below.append(cell);
    row.after(below);
  },

  // The queries that just came, in that row.
  openDrill() {
    const made = document.querySelector('#bench-drill .u-drill'), place = document.querySelector('.u-drill-row .u-drill');
    if (!place || !made) return;
    const list = made.cloneNode(true);
    place.replaceWith(list);
    const query = [...list.querySelectorAll('[data-query]')].find((one) => one.dataset.query === history.state?.query);
    (query || list).focus({ preventScroll: !query });  // the one that was opened, when a visitor comes back from it
    const top = list.getBoundingClientRect().top;
    if (top < 0 || top > innerHeight * 0.6) list.scrollIntoView({ block: 'center', behavior: umr.scrolling() });
  },

  // Its step of the history is taken back; where it has none, it goes at once.
  shutDrill() {
    if (umr.drillStep()) { history.back(); return; }
    document.querySelectorAll('.u-drill-row').forEach((one) => one.remove());
    umr.drilled?.focus({ preventScroll: true });
    umr.drilled?.scrollIntoView({ block: 'nearest' });
  },
});

addEventListener('popstate', () => {
  const isTab = (search) => new URLSearchParams(search).get('tab') === 'benchmarks', { told } = umr.address;
  if (!isTab(location.search) || umr.drillStep()) return;
  if (document.querySelector('.u-drill-row')) umr.shutDrill();
  if (isTab(told)) history.replaceState(history.state, '', told);  // what was chosen meanwhile stays chosen
});
