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
      if (number) umr.drilled = number;
      if (event.target.closest('[data-shut]')) umr.shutDrill();
    });
  },

  // The queries that just came, in a row below the number that was pressed.
  openDrill() {
    const number = umr.drilled, row = number?.closest('tr'), made = document.querySelector('#bench-drill .u-drill');
    if (!row || !made) return;
    document.querySelectorAll('.u-drill-row').forEach((one) => one.remove());
    const below = document.createElement('tr'), cell = document.createElement('td');
    below.className = 'u-drill-row';
    cell.colSpan = row.children.length;
    cell.append(made.cloneNode(true));
    below.append(cell);
    row.after(below);
    const list = cell.querySelector('.u-drill');
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
