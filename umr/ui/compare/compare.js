// Compare: the next battle after a vote, and what the bar needs beside the columns.
Object.assign(window.umr, {
  // The button that comes in the place of the votes takes the focus, so that one key goes on.
  battles(element, trigger) {
    element.addEventListener('click', (event) => {
      if (event.target.closest('[data-next]')) trigger('expand', { id: 'next' });
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
});
