// A dialog that lies above the page is a step of the browser's history: Back closes it, and the page stays as it is.
(() => {
  const above = () => [...document.querySelectorAll('dialog:modal')];
  // Opened: one step, whichever dialog it is; its `open` says so, whatever opens it.
  new MutationObserver(() => {
    if (above().length && !history.state?.dialog) history.pushState({ ...history.state, dialog: true }, '');
  }).observe(document, { attributes: true, attributeFilter: ['open'], subtree: true });
  // Closed on the page: its step is taken back.
  addEventListener('close', () => { if (!above().length && history.state?.dialog) history.back(); }, true);
  addEventListener('popstate', () => {
    if (!history.state?.dialog) above().forEach((dialog) => dialog.close());
  });
})();
