// The tour: a few sentences, each beside what it is about, which begins where a visitor asks for it and is left at any
// step. Its words are in the page's template.
(() => {
  const tour = {
    at: -1,
    begun: null,  // what began it, which has the focus again at its end
    get card() { return document.querySelector('#u-tour'); },
    get steps() { return [...this.card.querySelectorAll('[data-at]')]; },
    show(at) {
      const { card, steps } = this, step = steps[at];
      this.unmark();
      this.at = at;
      steps.forEach((one) => { one.hidden = one !== step; });
      card.querySelector('[data-tour="back"]').disabled = at === 0;
      card.querySelector('[data-tour="next"]').textContent = at === steps.length - 1 ? 'Done' : 'Next';
      card.querySelector('.u-place').textContent = `${at + 1} of ${steps.length}`;
      const target = step.dataset.at.split(' or ').map((one) => document.querySelector(one)).find((one) => one?.offsetParent);
      target?.classList.add('u-toured');
      target?.scrollIntoView({ block: 'nearest', behavior: umr.scrolling() });
    },
    unmark() { document.querySelectorAll('.u-toured').forEach((one) => one.classList.remove('u-toured')); },
    begin(button) {
      document.querySelector('#tab-search-button[aria-selected="false"]')?.click();
      this.begun = button;
      this.card.show();
      this.show(0);
      this.card.querySelector('[data-tour="next"]').focus({ preventScroll: true });
    },
    end() {
      this.unmark();
      this.card.close();
      this.begun?.focus({ preventScroll: true });
    },
    go(by) {
      if (this.at + by >= this.steps.length) this.end();
      else if (this.at + by >= 0) this.show(this.at + by);
      // The focus of a button that is disabled is lost, at once or later.
      if (this.card.open && this.at === 0) this.card.querySelector('[data-tour="next"]').focus({ preventScroll: true });
    },
  };
  document.addEventListener('click', (event) => {
    const button = event.target.closest?.('[data-tour]'), way = button?.dataset.tour;
    if (way === 'begin') tour.begin(button);
    else if (way === 'skip') tour.end();
    else if (way) tour.go(way === 'next' ? 1 : -1);
  });
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !tour.card?.open || document.querySelector('dialog:modal')) return;
    tour.end();
    event.stopImmediatePropagation();
  }, true);
})();
