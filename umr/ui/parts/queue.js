// Who waits for a turn is told how many are before them. Gradio knows the place, in a text that the page does not show.
(() => {
  const told = Object.assign(document.createElement('p'), { id: 'u-queue', className: 'u-muted' });
  told.setAttribute('role', 'status');
  const look = () => {
    const texts = [...document.querySelectorAll('[data-testid="status-tracker"]:not(.hide) .progress-text')];
    const place = texts.map((one) => one.textContent.match(/^queue: (\d+)\//)).find(Boolean);
    const before = place ? Number(place[1]) - 1 : null;
    const said = before === null ? '' : before ? `Waiting for your turn: ${before} before you` : 'Waiting: you are next';
    if (told.textContent !== said) told.textContent = said;
    if (!told.isConnected) document.querySelector('.gradio-container')?.append(told);
  };
  setInterval(() => { if (!document.hidden) look(); }, 500);
})();
