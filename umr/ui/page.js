// What runs in the visitor's browser: listeners of the page's own HTML, and small steps after an event, as functions of
// `umr`. It stands in the page's head; umr/ui/parts/scripts.py says what calls what. No state but the address.
// The Search tab's own part is umr/ui/search/search.js.

window.umr = {
  // ---- Listeners of a gr.HTML: its `element`, and its `trigger`, which begins an event of the component.

  // One listener per component: what was pressed is told by the button's data attribute, as an event of the component.
  pressed(element, trigger) {
    const events = { pick: 'select', example: 'select', chip: 'select', turn: 'select', more: 'submit', words: 'copy',
      details: 'expand' };
    element.addEventListener('click', (event) => {
      const button = event.target.closest('button');
      const name = Object.keys(events).find((key) => button?.dataset[key] !== undefined);
      if (button?.dataset.lost !== undefined) { umr.travel.turn(Number(button.dataset.turn)); return; }
      if (name === 'details') umr.sheet.wanted = button.dataset[name];
      if (name === 'more') umr.before = element.querySelectorAll('[data-details]').length;
      if (name) trigger(events[name], { id: button.dataset[name] });
    });
  },

  // The same where only one kind of button is listened to.
  selects(element, trigger, name) {
    element.addEventListener('click', (event) => {
      const button = event.target.closest(`[data-${name}]`);
      if (button) trigger('select', { id: button.dataset[name] });
    });
  },

  // The part of a clip that its address tells (#t=40,50), in seconds; null of a whole one.
  part(video) {
    const found = /#t=([\d.]+),([\d.]+)$/.exec(video?.getAttribute('src') || '');
    return found && found.slice(1).map(Number);
  },

  // Plays a clip, and of a part of one the part, from its start again once it was shown.
  playClip(video) {
    const [start, end] = this.part(video) || [];
    if (video?.currentTime < start - .1 || video?.currentTime > end - .1) video.currentTime = start;
    video?.play().catch(() => {});
  },

  // Clips play while the pointer or the focus is on them, one at a time.
  plays(element) {
    const clip = (event) => event.target.closest?.('.u-card-video');
    const play = (event) => { this.playClip(clip(event)?.querySelector('video')); };
    const rest = (event) => {
      const card = clip(event);
      if (card && !card.contains(event.relatedTarget)) card.querySelector('video')?.pause();
    };
    element.addEventListener('pointerover', play);
    element.addEventListener('pointerout', rest);
    element.addEventListener('focusin', play);
    element.addEventListener('focusout', rest);
  },

  // The button that copies the page's address says that it did.
  copies(element) {
    element.addEventListener('click', async (event) => {
      const button = event.target.closest('[data-copy]');
      if (!button) return;
      const label = button.querySelector('span');
      try {
        await navigator.clipboard.writeText(location.href);
        label.textContent = 'Copied';
      } catch {
        label.textContent = 'Copy it from the address bar';
      }
      setTimeout(() => { label.textContent = 'Copy link'; }, 2500);
    });
  },

  // The details are a panel beside the results: Escape or its button closes it and gives the focus back.
  panel(element) {
    const close = () => { if (umr.closePanel()) umr.sheet.closed(); };
    element.addEventListener('click', (event) => { if (event.target.closest('[data-close], [data-pick]')) close(); });
    document.addEventListener('keydown', (event) => {  // a dialog above it is what Escape closes first
      if (event.key === 'Escape' && !document.querySelector('dialog[open]')) close();
    });
  },

  // The results on show: Search's, or those in the visitor's own files.
  found() {
    const own = document.querySelector('#f-search')?.offsetParent;
    return document.querySelector(own ? '#f-results' : '#results');
  },

  // Closes it; whether it was open.
  closePanel() {
    umr.sheet.wanted = null;
    const { button } = umr.sheet.places(), card = button?.closest('.u-cell') || button, panel = umr.sheet.panel();
    if (!panel) return false;
    delete panel.dataset.for;
    card?.focus({ preventScroll: true });
    card?.scrollIntoView({ block: 'nearest', behavior: umr.scrolling() });
    return true;
  },

  // The notices' button puts them away.
  away(element) {
    element.addEventListener('click', (event) => {
      if (event.target.closest('[data-away]')) element.querySelector('[role="alert"]')?.remove();
    });
  },

  // Compare: the same item is outlined in every column; arrows move through ranks and columns; a press or Enter opens the
  // details; the switch chooses the column that a small screen shows.
  columns(element, trigger) {
    const cellOf = (event) => event.target.closest?.('.u-cell');
    const outline = (id) => element.querySelectorAll('.u-cell').forEach(
      (cell) => cell.classList.toggle('u-same', id !== undefined && cell.dataset.id === id));
    const enter = (event) => {
      const cell = cellOf(event);
      if (!cell) return;
      outline(cell.dataset.id);
      this.playClip(cell.querySelector('video'));
    };
    const leave = (event) => {
      const cell = cellOf(event);
      if (!cell || cell.contains(event.relatedTarget)) return;
      cell.querySelector('video')?.pause();
      if (!event.relatedTarget?.closest?.('.u-cell')) outline(element.querySelector('.u-cell:focus')?.dataset.id);
    };
    element.addEventListener('pointerover', enter);
    element.addEventListener('pointerout', leave);
    element.addEventListener('focusin', enter);
    element.addEventListener('focusout', leave);
    element.addEventListener('keydown', (event) => {
      const cell = cellOf(event);
      const step = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
      if (cell === event.target && ['Enter', ' '].includes(event.key)) {
        event.preventDefault();
        cell.querySelector('[data-details]').click();
      }
      if (!cell || !step) return;
      const columns = [...element.querySelectorAll('.u-column')], here = columns.indexOf(cell.closest('.u-column'));
      const rank = [...cell.parentElement.children].indexOf(cell);
      const next = columns[here + step[0]]?.querySelectorAll('.u-cell')[rank + step[1]];
      if (!next || !next.offsetParent) return;
      cell.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
      event.preventDefault();
    });
    element.addEventListener('click', (event) => {
      const cell = String(getSelection()) ? null : cellOf(event);
      const button = event.target.closest('[data-show], [data-vote], [data-export], [data-details]')
        || cell?.querySelector('[data-details]');
      if (!button) return;
      const { show, vote, details } = button.dataset;
      if (details !== undefined) {
        umr.sheet.wanted = details;
        trigger('expand', { id: details });
      } else if (show !== undefined) {
        button.closest('.u-compare').dataset.shown = show;
        button.parentElement.querySelectorAll('button').forEach(
          (other) => other.setAttribute('aria-pressed', other === button));
      } else if (vote) trigger('select', { id: `${vote} ${button.closest('[data-battle]').dataset.battle}` });
      else trigger('submit', { id: button.dataset.export });
    });
  },

  // Diagnose: points tell what they are in the caption below the plot; arrow keys move from point to point.
  points(element) {
    const tell = (event) => {
      const point = event.target.closest?.('.u-point');
      if (!point) return;
      const plot = point.closest('.u-plot');
      const caption = plot.querySelector('.u-caption-text'), holder = plot.querySelector('.u-caption-picture');
      caption.textContent = point.dataset.text + ' · ' + point.dataset.facts;
      holder.replaceChildren();
      if (point.dataset.picture) {
        const image = new Image(56, 56);
        image.src = point.dataset.picture;
        image.alt = '';
        holder.append(image);
      }
    };
    const move = (event) => {
      const point = event.target.closest?.('.u-point');
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!point || !step) return;
      const all = [...point.closest('.u-plot').querySelectorAll('.u-point')];
      const next = all[(all.indexOf(point) + step + all.length) % all.length];
      point.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
      event.preventDefault();
    };
    element.addEventListener('pointerover', tell);
    element.addEventListener('focusin', tell);
    element.addEventListener('keydown', move);
  },

  // ---- Steps after an event. None gives anything back: what it gave would be written into fields.

  // Shows the panel for the chosen result, unless it was closed or its tab was left before the result came.
  openPanel(id, which) {
    if (umr.sheet.wanted !== id || !umr.sheet.results(which)?.offsetParent) return;
    const panel = document.getElementById(which);
    delete umr.sheet.panel()?.dataset.for;  // of another tab, which was left with it open
    panel.dataset.for = id;
    panel.setAttribute('role', 'region');
    panel.setAttribute('aria-label', 'Details of a result');
    panel.scrollTop = 0;
    umr.sheet.shown(panel);
  },

  // After a search: the page's address tells what is shown. Where the results' beginning is far below, what belongs to the
  // search (suggestions, turns, the link) comes to stand right under the bar; the results themselves where all of that
  // would leave none of them in the window.
  toResults(address) {
    umr.travel.arrived(address);
    this.toAnswer('#q-bar', '#results', '#suggestions', '#results .u-card');
  },

  // After a comparison, if its tab is on show: the same. What belongs to it stands between its query and its columns.
  // step: as one more step of the browser's history, if it is of another query.
  toCompared(address, step = false) {
    umr.compared.arrived(address, step && umr.compared.on());
    umr.pairCompared();
    const there = document.querySelector('#compare:has(.u-compare, [role=alert])');
    if (there?.offsetParent) this.toAnswer('#c-bar', '#compare', '#compare', '#compare .u-cell');
  },

  // Brings an answer under the bar that stays on top ("" where none does), where it would begin below the window or above
  // it.
  toAnswer(bar, answer, before, first) {
    const topOf = (what) => document.querySelector(what)?.getBoundingClientRect().top;
    const place = () => {
      const stays = bar && document.querySelector(bar);
      const kept = 12 + (stays && stays.offsetHeight - umr.hidden(stays) + parseFloat(getComputedStyle(stays).top));
      const top = topOf(answer), start = topOf(before), card = topOf(first);
      const far = top > innerHeight * 0.75 || top < 0, none = card - (far ? start - kept : 0) > innerHeight * 0.85;
      if (far || none) window.scrollBy({ top: (none ? top : start) - kept, behavior: umr.scrolling() });
    };
    requestAnimationFrame(() => requestAnimationFrame(place));  // what makes room for results has gone by then
  },

  // After a reference was chosen: back to the query bar, ready to type what should change.
  toBar() {
    window.scrollTo({ top: 0, behavior: 'instant' });
    document.querySelector('#q-text textarea')?.focus();
  },

  // The same in the tab of the visitor's own files.
  toOwnBar() {
    document.querySelector('#f-query')?.scrollIntoView({ block: 'center' });
    document.querySelector('#f-text textarea')?.focus({ preventScroll: true });
  },

  // Presses a button of the page.
  press(selector) {
    document.querySelector(selector)?.click();
  },

  // What makes a file that takes a while is busy until it is there, or is said not to be had.
  making(button) {
    button?.setAttribute('aria-busy', 'true');
    button?.classList.add('u-making');
  },
  made() {
    for (const button of document.querySelectorAll('.u-making')) {
      button.removeAttribute('aria-busy');
      button.classList.remove('u-making');
    }
  },

  // Hands an export to the browser's downloads.
  save(file) {
    umr.made();
    if (!file?.content) return;
    const bytes = Uint8Array.from(atob(file.content), (character) => character.charCodeAt(0));
    const link = Object.assign(document.createElement('a'), { download: file.name,
      href: URL.createObjectURL(new Blob([bytes], { type: file.type })) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  },

  // What the server is asked one after the other, by an element's event; of what waits only the last.
  // told: what it is told of one.
  oneAtATime: (told = (what) => what) => ({
    begin: null,
    wanted: null,
    asking: false,
    ready(trigger) {
      this.begin = trigger;
      this.next();
    },
    ask(what) {
      this.wanted = what;
      this.next();
    },
    async next() {
      if (this.asking || this.wanted === null || !this.begin) return;
      const what = this.wanted;
      this.wanted = null;
      this.asking = true;
      this.begin('select', { id: await told(what) });
    },
    // The last one's answer is there, or was refused.
    over() {
      this.asking = false;
      this.next();
    },
  }),

  scrolling: () => matchMedia('(prefers-reduced-motion: reduce)').matches ? 'instant' : 'smooth',

  // ---- Keeps the address as the page is, each tab its own part, without a reload. `keys`: tab -> keys, of the server.

  address: {
    opened: location.search,
    given: false,
    told: '',  // the last one: a step of the history that is returned to may have an older one
    keys: {},
    put(next, step) {
      const address = location.pathname + (next.size ? '?' + next : '') + location.hash;
      this.told = next.size ? `?${next}` : '';
      if (step) history.pushState(this.state(next), '', address); else history.replaceState(history.state, '', address);
      if (parent !== window)  // a Space is shown in a frame, and its own address follows what it is told
        parent.postMessage({ queryString: String(next), hash: location.hash }, 'https://huggingface.co');
    },
    // What a new step knows beside its address: the names of what is asked still, which no address tells.
    state(next) {
      const state = { ...umr.mine.state() };
      for (const one of [umr.travel, umr.compared]) {
        const { id } = one.kept();
        if (history.state?.[id] && one.part(String(next)) === one.part(location.search)) state[id] = history.state[id];
      }
      return state;
    },
    // What a tab shows. step: as one more step of the browser's history.
    tell(tab, address, step = false) {
      if (!address) return;
      const next = new URLSearchParams(address);
      for (const [key, value] of new URLSearchParams(location.search))
        if (!this.keys[tab].includes(key) && !next.has(key)) next.append(key, value);
      this.put(next, step);
    },
    // Which tab is on show. step: as one more step of the browser's history, if it is another one.
    tab(name, step = false) {
      if (!this.given) return;
      this.whole(document.querySelector(`#tab-${CSS.escape(name)}-button`));
      const next = new URLSearchParams(location.search);
      if (name === 'search') next.delete('tab'); else next.set('tab', name);
      if (!step || String(next) !== String(new URLSearchParams(location.search))) this.put(next, step);
    },
    // The button of the tab on show is seen whole: a narrow window shows a part of their list.
    whole(button) {
      const list = button?.closest('[role="tablist"]');
      if (!list) return;
      const [of, at] = [list, button].map((one) => one.getBoundingClientRect());
      list.scrollLeft += Math.max(0, at.right - of.right) + Math.min(0, at.left - of.left);
    },
    // A tab says that it is on show; the one that an address chose says so late, when the visitor may have left it.
    shown(name) {
      setTimeout(() => {
        const button = document.querySelector(`#tab-${name}-button`);
        if (!this.given || button?.getAttribute('aria-selected') === 'false') return;
        this.tab(name, true);
        umr.traveller(name)?.seen();
      });
    },
    // It is being given: from now on it follows what is on show, beginning with the tab.
    give(tab) {
      this.given = true;
      this.tab(tab || 'search');
      for (const one of [umr.travel, umr.compared]) {
        one.opened();
        one.kept().restore();
      }
      this.unopened();
    },
    // A reload closes what lay above the page, but keeps its steps of the history: they are taken back.
    unopened() {
      const open = { sheet: '.u-sheet[data-for]', dialog: 'dialog:modal' };
      const left = Object.keys(open).filter((key) => history.state?.[key] && !document.querySelector(open[key]));
      if (left.length) history.go(-left.length);
    },
  },
};

addEventListener('resize', () => umr.address.whole(document.querySelector('#tabs [role="tab"][aria-selected="true"]')));

// The camera: what keeps it from being used is said below the bar, and the bar goes back to taking files.
(() => {
  const words = {
    NotFoundError: 'No camera was found on this device: upload a picture instead.',
    NotAllowedError: 'This page may not use the camera: allow it in the browser and try again, or upload a picture.',
    SecurityError: 'Browsers give their camera to https addresses only: upload a picture instead.',
  };
  const other = 'The camera cannot be used now, perhaps as another program has it: upload a picture instead.';
  let bar = null;
  document.addEventListener('click', (event) => {
    const source = event.target.closest?.('.source-selection button');
    if (!source) return;
    bar = source.closest('#q-bar, #c-bar');
    document.querySelectorAll('.u-camera').forEach((told) => told.remove());
  }, true);
  const refuse = (name) => {
    bar?.querySelector('.source-selection button')?.click();
    const told = document.createElement('p');
    told.className = 'u-notice u-camera';
    told.setAttribute('role', 'alert');
    told.textContent = words[name] || other;
    bar?.after(told);
  };
  if (!navigator.mediaDevices) Object.defineProperty(navigator, 'mediaDevices', { value: {
    enumerateDevices: async () => [], getUserMedia: async () => { throw new DOMException('', 'SecurityError'); } } });
  const asked = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    try { return await asked(wanted); } catch (error) { refuse(error.name); throw error; }
  };
})();

// An address that asks something brings results: what welcomes a visitor would only jump away.
if (['text', 'ref', 'picture'].some((key) => new URLSearchParams(location.search).has(key)))
  document.documentElement.classList.add('u-asks');

// A file that is dropped beside a box is not opened in the page's place.
for (const name of ['dragover', 'drop'])
  addEventListener(name, (event) => { if (event.dataTransfer?.types.includes('Files')) event.preventDefault(); });
