// The cards of the models: a press of a model's name, wherever it stands on the page, opens its card as a dialog.
(() => {
  const open = (name) => {
    const dialog = document.querySelector('#u-models');
    const card = dialog?.querySelector(`[data-card="${CSS.escape(name)}"]`);
    if (!card) return;
    dialog.querySelectorAll('[data-card]').forEach((one) => { one.hidden = one !== card; });
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  };
  // About: a link whose whole address is copied, as it is for other programs to call, not to be read here.
  const copy = async (link) => {
    const said = link.parentElement.querySelector('[role=status]');
    const address = new URL(link.getAttribute('href'), location.origin + location.pathname.replace(/\/?$/, '/')).href;
    try {
      await navigator.clipboard.writeText(address);
      said.textContent = 'Copied.';
    } catch {
      said.textContent = address;
    }
  };
  document.addEventListener('click', (event) => {
    const link = event.target.closest?.('[data-copy-address]');
    if (link) {
      event.preventDefault();
      copy(link);
      return;
    }
    const name = event.target.closest?.('[data-model]');
    if (name) {
      event.preventDefault();
      event.stopPropagation();
      open(name.dataset.model);
      return;
    }
    const dialog = event.target.closest?.('#u-models');
    if (dialog && (event.target === dialog || event.target.closest('[data-close-card]'))) dialog.close();
  }, true);
})();
