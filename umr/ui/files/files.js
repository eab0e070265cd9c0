// Your files: a made file is handed to the browser's downloads, what was asked for comes into view, and each search is a
// step of the browser's history.
Object.assign(window.umr, {
  fetchFile(address) {
    if (!address) return;
    Object.assign(document.createElement('a'), { href: address, download: '' }).click();
  },

  toOwnExtra() {
    const extra = document.querySelector('#f-extra section');
    extra?.scrollIntoView({ block: 'nearest', behavior: umr.scrolling() });
    extra?.focus?.({ preventScroll: true });
  },

  // After a search in them.
  toOwnResults(step) {
    umr.mine.arrived(step);
    umr.room.filled(umr.found());
    if (document.querySelector('#f-results :is(.u-card, .u-message)'))
      umr.toAnswer('', '#f-results', '#f-query', '#f-results :is(.u-card, .u-message)');
  },

  // What was asked of a visitor's files is in no address: a step of the history has a name that says nothing, and the
  // server, which keeps it with the files, is told that name.
  mine: {
    shown: '',
    queue: umr.oneAtATime(),
    state() { return this.shown ? { files: this.shown } : null; },
    arrived(step) {
      if (!step || step === this.shown) return;
      this.shown = step;
      history.pushState(umr.address.state(location.search), '');
    },
    // Back or Forward led to the tab.
    popped() {
      const step = history.state?.files || '';
      if (step === this.shown || !document.querySelector('#f-search')) return;
      this.shown = step;
      this.queue.ask(step);
    },
    travelled() {
      this.queue.over();
      if (this.shown) umr.toOwnResults(this.shown);
    },
  },
});
