// Room for what comes: where an answer will stand is known at the press that asks for it, and is given to it at once, so
// that nothing on the page moves when the answer is there. room.css says how much.
(() => {
  const root = document.documentElement;
  const asks = '#q-go, .u-example, [data-recent], [data-chip], [data-crop="part"]';

  // A listener of the last moment: a press that was refused before does not come here.
  addEventListener('click', (event) => {
    const pressed = (what) => event.target.closest?.(what);
    if (pressed(asks)) umr.room.ask();
    // On a phone what is not wanted is told in a row of its own.
    if (pressed(':is(#results, #f-results) [data-left]:not([data-left="not="])')) root.classList.add('u-unwanted');
    if (pressed('#results [data-pick], #details [data-pick]')) root.classList.add('u-turned');
    // Your files: where what every model finds will stand, and what goes with the files.
    const extra = document.querySelector('#f-extra'), own = document.querySelector('#f-search');
    if (pressed('#f-every')) extra.dataset.waits = 'models';
    if (pressed('#f-find, #f-results [data-pick], #f-details [data-pick]')) extra.dataset.waits = 'nothing';
    if (pressed('#f-forget')) own.dataset.waits = 'nothing';
    if (pressed('#f-go')) {
      if (own) delete own.dataset.waits;
      umr.room.below(document.querySelector('#tab-files'));
    }
    if (pressed('#tiles [data-pick]')) document.querySelector('#browse').dataset.waits = '1';
    if (pressed('#browse > .label-wrap')) umr.room.filled(document.querySelector('#browse'));
    if (pressed(':is(#results, #f-results) [data-more]')) umr.room.below(umr.found());
  });
  addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && !event.shiftKey && event.target.closest?.('#q-text')) umr.room.ask();
  });
  if (new URLSearchParams(location.search).has('from')) root.classList.add('u-turned');

  umr.room = {
    ask() {
      root.classList.add('u-asks');
      root.classList.remove('u-start', 'u-unwanted');
    },
    // A step of the history is shown, with what its address asks. At the start, what welcomes a visitor is there at
    // once, laid out while nothing is seen for one frame.
    travel(part) {
      root.classList.toggle('u-asks', Boolean(part));
      root.classList.toggle('u-start', !part);
      if (!part) {
        root.classList.add('u-laid');
        scrollTo({ top: 0, behavior: 'instant' });
        requestAnimationFrame(() => requestAnimationFrame(() => root.classList.remove('u-laid')));
      }
      if (new URLSearchParams(part).has('from')) root.classList.add('u-turned');
    },
    // What stands below a place goes out of view, until the place has what it waits for.
    below(place) {
      place.style.minHeight = `${place.offsetHeight + innerHeight}px`;
      place.dataset.waits = '1';
    },
    filled(place) {
      if (!place) return;
      place.style.minHeight = '';
      delete place.dataset.waits;
    },
  };
})();
