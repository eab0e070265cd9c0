(() => {
  const dark = matchMedia('(prefers-color-scheme: dark)'), paper = matchMedia('print');
  const paint = () => document.documentElement.classList.toggle('dark', dark.matches && !paper.matches);
  for (const query of [dark, paper]) query.addEventListener('change', paint);
  addEventListener('beforeprint', () => {
    document.querySelectorAll('details').forEach((one) => { one.open = true; });
  });
  paint();
})();
