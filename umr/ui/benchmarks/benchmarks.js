// Benchmarks: the queries behind a number open below its row; on a small screen only the first table of all begins open.
Object.assign(window.umr, {
  tables(element) {
    const narrow = matchMedia('(max-width: 640px)');
    const fold = () => {
      if (!narrow.matches || element.dataset.folded === 'yes') return;
      const tables = element.querySelectorAll('details.u-table');
      if (!tables.length) return;
      element.dataset.folded = 'yes';
      tables.forEach((table, place) => { table.open = place === 0 && !!element.closest('#benchmarks'); });
    };
    new MutationObserver(fold).observe(element, { childList: true, subtree: true });
    element.addEventListener('click', (event) => {
      const number = event.target.closest('.u-num[data-drill]');
      if (number) umr.makeDrill(number);
      if (event.target.closest('[data-shut]')) umr.shutDrill();
    });
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
    list.focus({ preventScroll: true });
    const top = list.getBoundingClientRect().top;
    if (top < 0 || top > innerHeight * 0.6) list.scrollIntoView({ block: 'center', behavior: umr.scrolling() });
  },

  shutDrill() {
    document.querySelectorAll('.u-drill-row').forEach((one) => one.remove());
    umr.drilled?.focus({ preventScroll: true });
    umr.drilled?.scrollIntoView({ block: 'nearest' });
  },
});
