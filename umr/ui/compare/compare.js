// Compare: the next battle after a vote, and its steps of the browser's history.
Object.assign(window.umr, {
  // The button that comes in the place of the votes takes the focus, so that one key goes on.
  battles(element, trigger) {
    element.addEventListener('click', (event) => {
      if (event.target.closest('[data-next]')) trigger('input', { id: 'next' });
    });
    new MutationObserver(() => {
      const next = element.querySelector('[data-next]');
      if (next && !next.dataset.seen) {
        next.dataset.seen = '1';
        next.focus({ preventScroll: true });
        element.querySelector('.u-voted')?.scrollIntoView({ block: 'center', behavior: umr.scrolling() });
      }
    }).observe(element, { childList: true, subtree: true });
  },

  // The report of two models is that of two that are compared, of several the best, until others are chosen.
  reports(element, trigger) {
    element.addEventListener('click', (event) => {
      const save = event.target.closest('[data-report]');
      if (!save) return;
      umr.making(save);
      trigger('submit', { id: element.querySelector('select').value });
    });
    umr.pairCompared();
  },

  pairCompared() {
    const names = [...document.querySelectorAll('#compare .u-column h3 [data-model]')].map((name) => name.dataset.model);
    const select = document.querySelector('#c-report select');
    if (!select || select.dataset.of === String(names)) return;
    const found = [...select.options].find((one) => one.value.split('|').every((name) => names.includes(name)));
    if (found) Object.assign(select, { value: found.value }).dataset.of = String(names);
  },

  // Its steps, which are as Search's (umr.travel in umr/ui/search/search.js): each query compared on is one.
  compared: {
    tab: 'compare',
    asks: ['q', 'c-ref', 'c-picture', 'c-text'],
    apart: ['c-models', 'c-blind'],
    kept: () => umr.comparedOwn,
    shown: '', going: false, queue: umr.oneAtATime((search) => umr.comparedOwn.wait(search)),
    last: '',  // address of the comparison on show
    remember(address) { this.last = address; },
    makeRoom() {},
    // Back may have led to an address from before the comparison that is still there: the address tells of it again.
    seen() {
      if (this.part(this.last) === this.shown.split(' ')[0] && this.shown !== this.here())
        umr.address.tell(this.tab, this.last);
      this.kept().restore();
    },
  },

  // A visitor's own picture in its bar, which is as Search's (umr.own). A step brings it always.
  comparedOwn: {
    box: '#c-image', go: '#c-go', name: 'c-picture', id: 'compared',
    waiting: null,
    travel: () => umr.compared,
    wait(search) { return umr.own.wait.call(this, search); },
  },
});
