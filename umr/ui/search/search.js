// What the Search tab does in the visitor's browser, beside what all tabs share (umr/ui/page.js, which stands before it):
// menus and the sheet of details, steps of the browser's history, pictures from anywhere, exports. It keeps nothing but
// in this browser.

// ---- Cards, their menus, and the sheet

Object.assign(umr, {
  // A press beside a card's buttons opens the card.
  cards(element) {
    element.addEventListener('click', (event) => {
      const card = event.target.closest('.u-card');
      if (!card || event.target.closest('button, a, summary, video, .u-menu') || String(getSelection())) return;
      card.querySelector('[data-details]')?.click();
    });
    umr.menus(element);
  },

  // A menu closes when something else is pressed, and with Escape.
  menus(element) {
    const shut = (kept) => element.querySelectorAll('.u-menu[open]').forEach((menu) => {
      if (menu !== kept) menu.open = false;
    });
    document.addEventListener('click', (event) => {
      const menu = event.target.closest?.('.u-menu');
      shut(event.target.closest?.('.u-menu button, .u-menu a') ? null : menu);
    });
    document.addEventListener('keydown', (event) => {
      const menu = event.key === 'Escape' && element.querySelector('.u-menu[open]');
      if (!menu) return;
      menu.querySelector('summary').focus();
      shut();
      event.stopImmediatePropagation();
    }, true);
  },

  // What is left out of the results: a choice of a fact, or a result that is not wanted.
  leaves(element, trigger) {
    element.addEventListener('change', (event) => {
      const { facet } = event.target.dataset;
      if (facet) trigger('input', { id: `${facet}=${event.target.value}` });
    });
    element.addEventListener('click', (event) => {
      const left = event.target.closest('[data-left]'), taken = event.target.closest('[data-take]');
      if (left) trigger('input', { id: left.dataset.left });
      if (taken) umr.take(taken.dataset.take, taken.closest('details').querySelector('summary'));
    });
  },

  // The catalogue's pictures are kept to what is chosen or written; the field that was used keeps the focus.
  browses(element, trigger) {
    element.addEventListener('change', (event) => {
      const fields = [...element.querySelectorAll('[data-facet]')].filter((field) => field.value);
      umr.used = event.target.dataset.facet;
      trigger('input', { id: String(new URLSearchParams(fields.map((field) => [field.dataset.facet, field.value]))) });
    });
  },

  browsed() {
    const field = document.querySelector(`#tiles [data-facet="${umr.used}"]`), now = document.activeElement;
    if (!now || now === document.body || !now.isConnected) field?.focus({ preventScroll: true });
  },

  // The sheet: steps to the results beside the one on show, by its buttons or the arrow keys.
  steps(element) {
    element.addEventListener('click', (event) => {
      const button = event.target.closest('[data-step]');
      if (button) umr.sheet.step(Number(button.dataset.step));
    });
    document.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step || event.defaultPrevented || !umr.sheet.panel()?.contains(element)) return;
      if (event.target.closest?.('input, textarea, select, video, [role="tab"]')) return;
      event.preventDefault();
      umr.sheet.step(step);
    });
  },

  sheet: {
    stepped: 0,
    wanted: null,
    of: { details: '#results', 'c-details': '#compare', 'f-details': '#f-results' },  // what each is the sheet of
    results(name) { return document.querySelector(this.of[name]); },
    // The one that is open.
    panel: () => document.querySelector('.u-sheet[data-for]'),
    // The results' buttons, in a comparison those of its column; the one on show, and its place among them.
    places() {
      const panel = this.panel(), found = this.results(panel?.id)?.querySelectorAll('[data-details]') || [];
      const button = [...found].find((one) => one.dataset.details === panel.dataset.for);
      const column = button?.closest('.u-column'), all = [...found].filter((one) => !column || column.contains(one));
      return { all, button, here: all.indexOf(button) };
    },
    step(by) {
      const { all, here } = this.places(), next = all[here + by];
      if (here < 0 || !next) return;
      this.stepped = by;
      next.click();
    },
    // After the sheet has its contents: where it stands, and the focus stays on the button that was pressed.
    shown(panel) {
      const { all, here } = this.places();
      umr.clip.timed(panel);
      panel.querySelector('.u-place').textContent = here < 0 ? '' : `${here + 1} of ${all.length}`;
      for (const button of panel.querySelectorAll('[data-step]'))
        button.disabled = here < 0 || !all[here + Number(button.dataset.step)];
      const pressed = this.stepped && panel.querySelector(`[data-step="${this.stepped}"]:not(:disabled)`);
      const target = pressed || panel.querySelector('[data-close]');
      requestAnimationFrame(() => target?.focus({ preventScroll: true }));
      this.stepped = 0;
      if (!history.state?.sheet) history.pushState({ ...history.state, sheet: true }, '');
    },
    // It was closed on the page: its step of the history is taken back.
    closed() { if (history.state?.sheet) history.back(); },
  },

  // More results were added: the focus is on the first of them, and the page stays where it is.
  moreShown(address) {
    umr.address.tell('search', address);
    umr.travel.shown = umr.travel.here();
    umr.room.filled(umr.found());
    umr.found().querySelectorAll('[data-details]')[umr.before]?.focus({ preventScroll: true });
  },
});

// ---- Steps of the browser's history: each search is one, and Back shows the one before. Compare has the same; what it
// does otherwise is in umr/ui/compare/compare.js.

Object.assign(umr, {
  travel: {
    tab: 'search',
    asks: ['ref', 'picture', 'text'],  // keys of what is asked, without which an address asks nothing
    apart: ['model', 'k'],  // keys that make no step of their own
    kept: () => umr.own,
    on() { return document.querySelector(`#tab-${this.tab}-button`)?.getAttribute('aria-selected') === 'true'; },
    shown: '',  // the step on show
    going: false,  // on the way to what a step of the history shows
    // A picture that the server no longer has is brought again.
    queue: umr.oneAtATime((search) => umr.own.wait(search, true)),
    // What an address asks of the tab, without what it says of other tabs.
    part(search) {
      const given = new URLSearchParams(search), keys = umr.address.keys[this.tab];
      const own = [...given].filter(([key]) => keys.includes(key) && !this.apart.includes(key));
      return own.some(([key]) => this.asks.includes(key)) ? String(new URLSearchParams(own)) : '';
    },
    // A step of the history: what its address asks, and the name of a visitor's own picture, which no address tells.
    step(part, own) { return own && this.kept().isOf(part) ? `${part} ${own}` : part; },
    here() { return this.step(this.part(location.search), history.state?.[this.kept().id]); },
    // A search is over: it is a step, unless it is the one on show, or told without one.
    arrived(address, step = true) {
      if (!address) return;
      const part = this.part(address), own = this.kept().called(), now = this.step(part, own);
      const same = [part, now].includes(this.here());
      if (this.going && !same) return;  // of a step that was left meanwhile
      this.going = false;
      umr.address.tell(this.tab, address, step && !same);
      if (now !== part) history.replaceState({ ...history.state, [this.kept().id]: own }, '');
      this.shown = now;
      this.remember(address, part);
      this.kept().keep(part, own);
    },
    remember(address, part) { umr.recent.add(address, part); },
    // The tab comes on show.
    seen() { this.kept().restore(); },
    // The page was opened with this address.
    opened() { this.shown = this.here(); },
    // Shows what an address asks for.
    to(search) {
      this.shown = this.here();
      this.makeRoom(this.part(search));
      this.going = true;
      this.queue.ask(search);
    },
    makeRoom(part) { umr.room.travel(part); },
    // What an address shows is there, or was refused.
    over() {
      const last = this.queue.wanted === null;
      this.queue.over();
      if (last) this.kept().restore();
    },
    // A turn whose picture the server has not: its search is a step of its own, which brings the picture.
    turn(place) {
      const given = new URLSearchParams(location.search);
      const told = new URLSearchParams((given.get('from') || '').split(' ')[place]);
      for (const key of ['model', 'k']) if (given.has(key)) told.set(key, given.get(key));
      umr.address.tell('search', `?${told}`, true);
      this.to(location.search);
    },
  },

  traveller: (tab) => ({ search: umr.travel, compare: umr.compared })[tab],

  // The element whose event asks the server for what an address shows.
  travels(element, trigger, tab) { umr.traveller(tab).queue.ready(trigger); },

  // ---- Recent searches, in this browser alone

  recent: {
    key: 'umr-recent', most: 8, place: null,
    read() { try { return JSON.parse(localStorage.getItem(this.key)) || []; } catch { return []; } },
    write(rows) { try { localStorage.setItem(this.key, JSON.stringify(rows)); } catch { /* this browser keeps nothing */ } },
    add(address, part) {
      const given = new URLSearchParams(address);
      if (!part || given.has('picture')) return;  // a visitor's own picture is kept nowhere for this
      const picture = given.has('ref') ? document.querySelector('#q-image .image-frame img')?.src : '';
      const row = { address, part, text: given.get('text') || '', picture: picture ? new URL(picture).pathname : '' };
      this.write([row, ...this.read().filter((other) => other.part !== part)].slice(0, this.most));
      this.show();
    },
    show() {
      const { place } = this;
      if (!place) return;
      const rows = this.read().filter((row) => typeof row?.address === 'string');
      place.replaceChildren();
      if (!rows.length) return;
      const make = (tag, given) => Object.assign(document.createElement(tag), given);
      const opener = make('button', { type: 'button', className: 'u-recent-open', textContent: 'Recent searches' });
      const list = make('ul'), said = make('span', { className: 'u-muted' }), shown = make('div', { className: 'u-recent' });
      said.textContent = 'Your recent searches, kept in this browser';
      opener.setAttribute('aria-expanded', 'false');
      for (const row of rows) {
        const item = make('li'), button = make('button', { type: 'button', className: 'u-chip' });
        button.dataset.recent = row.address;
        if (row.picture?.startsWith('/gradio_api/file=')) {
          button.append(Object.assign(new Image(24, 24), { src: row.picture, alt: '' }));
        }
        button.append(row.text || 'More like this');
        item.append(button);
        list.append(item);
      }
      const clear = make('button', { type: 'button', className: 'u-quiet', textContent: 'Clear' });
      clear.dataset.forget = '1';
      shown.append(said, list, clear);
      place.append(opener, shown);
    },
    // Beside results they are a list that is opened; whether it was open.
    open(so) {
      const opener = this.place?.querySelector('[aria-expanded]'), was = opener?.getAttribute('aria-expanded') === 'true';
      opener?.setAttribute('aria-expanded', so);
      return was;
    },
  },

  recents(element) {
    umr.recent.place = element;
    umr.recent.show();
    document.addEventListener('click', (event) => { if (!element.contains(event.target)) umr.recent.open(false); });
    document.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || !umr.recent.open(false)) return;
      element.querySelector('[aria-expanded]').focus();
      event.stopImmediatePropagation();
    }, true);
    element.addEventListener('click', (event) => {
      const row = event.target.closest('[data-recent]'), forget = event.target.closest('[data-forget]');
      if (event.target.closest('[aria-expanded]')) umr.recent.open(!umr.recent.open(false));
      if (row) {
        umr.recent.open(false);
        umr.address.tell('search', row.dataset.recent, true);
        umr.travel.to(location.search);
      } else if (forget) {
        umr.recent.write([]);
        umr.own.forget();
        umr.recent.show();
        document.querySelector('#q-text textarea')?.focus();
      }
    });
  },

  // ---- A visitor's own pictures survive their own reload: they are kept in this browser, and which of them belongs to
  // which search in this tab's session of it

  own: {
    key: 'umr-own', steps: 40, pictures: 20, bytes: 100e6, day: 86400000,
    box: '#q-image', go: '#q-go', name: 'picture', id: 'own',  // name: in an address; id: in a step of the history
    travel: () => umr.travel,
    asked: new Map(),  // since the page was loaded: whose pictures the server has of searches, by what was asked
    brought: new Map(),  // of pictures that were brought again, by the folder that the server laid them in
    waiting: null,
    read() { try { return JSON.parse(sessionStorage.getItem(this.key)) || {}; } catch { return {}; } },
    async store(mode) {
      const opened = indexedDB.open('umr', 1);
      opened.onupgradeneeded = () => opened.result.createObjectStore('pictures');
      const base = await new Promise((done, failed) => {
        opened.onsuccess = () => done(opened.result);
        opened.onerror = failed;
      });
      return base.transaction('pictures', mode).objectStore('pictures');
    },
    async ask(mode, request) {
      const asked = request(await this.store(mode));
      return new Promise((done, failed) => { asked.onsuccess = () => done(asked.result); asked.onerror = failed; });
    },
    isOf(part) { return new URLSearchParams(part).has(this.name); },
    // What the picture in the bar is called: by its folder on the server, which is named after its content.
    folder() { return umr.clip.file(document.querySelector(`${this.box} .image-frame img`)?.src || '').split('/').at(-2); },
    called() { return this.brought.get(this.folder()) || this.folder(); },
    // What the picture of an address is called: of the one on show by its step of the history.
    of(part) {
      const shown = this.travel().part(location.search) === part;
      return (shown && history.state?.[this.id]) || this.read().steps?.[part];
    },
    // The picture of the search that was just asked, for its steps of the history.
    async keep(part, own) {
      const image = document.querySelector(`${this.box} .image-frame img`);
      if (!this.isOf(part) || !image) return;
      this.asked.set(part, own);
      try {
        const from = umr.clip.file(image.src);
        const picture = await (await fetch(from)).blob(), name = decodeURIComponent(from.split('/').pop());
        const { tab = crypto.randomUUID(), steps = {} } = this.read();
        await this.ask('readwrite', (store) => store.put({ picture, name, at: Date.now() }, `${tab} ${own}`));
        await this.tidy(tab, `${tab} ${own}`);
        delete steps[part];
        const rows = Object.entries({ ...steps, [part]: own }).slice(-this.steps);
        sessionStorage.setItem(this.key, JSON.stringify({ tab, part, steps: Object.fromEntries(rows) }));
      } catch { /* without room for it, or in a private window, a reload asks for the picture again */ }
    },
    // The file that belongs to an address, if this very tab has it. here: null where the server has it as well.
    async file(search, here) {
      const part = this.travel().part(search);
      if (!this.isOf(part)) return null;
      try {
        const own = this.of(part);
        if (!own || (here && this.asked.get(part) === own)) return null;
        const kept = await this.ask('readonly', (store) => store.get(`${this.read().tab} ${own}`));
        return kept ? new File([kept.picture], kept.name, { type: kept.picture.type }) : null;
      } catch { return null; }
    },
    // The oldest go, of all tabs together; of other tabs also what was left a day ago and more.
    async tidy(tab, last) {
      const keys = await this.ask('readonly', (store) => store.getAllKeys());
      const all = await this.ask('readonly', (store) => store.getAll());
      const rows = all.map((row, place) => ({ id: keys[place], at: row.at, size: row.picture.size }));
      let bytes = 0;
      for (const [place, row] of rows.sort((one, other) => other.at - one.at).entries()) {
        bytes += row.size;
        const old = Date.now() - row.at > this.day && !row.id.startsWith(`${tab} `);
        if (row.id !== last && (old || place >= this.pictures || bytes > this.bytes))
          await this.ask('readwrite', (store) => store.delete(row.id));
      }
    },
    async forget() {
      sessionStorage.removeItem(this.key);
      try { await this.ask('readwrite', (store) => store.clear()); } catch { /* nothing was kept */ }
    },
    // What the server is told of an address; "kept" says that this browser has the picture and brings it, "gone" that
    // the one which the server has is another one.
    async wait(search, here = false) {
      this.waiting = await this.file(search, here);
      const part = this.travel().part(search), own = this.of(part), has = this.asked.get(part);
      const given = new URLSearchParams(search), told = this.waiting ? 'kept' : own && has && own !== has ? 'gone' : 'own';
      if (told === 'own' || given.get(this.name) !== 'own') return search;
      given.set(this.name, told);
      return `?${given}`;
    },
    // What the page was opened with.
    async given() {
      const told = await umr.compared.kept().wait(await this.wait(umr.address.opened));
      this.tidy(this.read().tab).catch(() => {});
      return [told];
    },
    // The fields are filled but for the picture: as soon as the tab is on show, it is uploaded again, and the search is
    // asked again.
    async restore() {
      const travel = this.travel(), { shown } = travel, own = this.of(travel.part(location.search));
      if (!this.waiting || !travel.on()) return;
      await umr.picture.until(() => document.querySelector(`${this.box} input[type=file], ${this.box} .image-frame img`));
      const file = this.waiting;
      if (!file || !travel.on() || travel.shown !== shown) return;
      this.waiting = null;
      await umr.picture.gone(this.box);
      umr.picture.put(this.box, file);
      const came = await umr.picture.arrived(this.box);
      if (travel.shown !== shown || travel.queue.asking) return;  // another step is on show meanwhile
      this.brought.set(this.folder(), own);
      if (came) document.querySelector(this.go).click();
      else umr.say('The picture of this search could not be brought back: add it again, and press Search.');
    },
  },
});

Object.setPrototypeOf(umr.compared, umr.travel);
Object.setPrototypeOf(umr.comparedOwn, umr.own);

for (const name of ['click', 'keydown'])  // what a visitor does from here on is a search of its own
  addEventListener(name, () => { umr.travel.going = umr.compared.going = false; }, true);
addEventListener('popstate', () => {
  if (!history.state?.sheet) umr.closePanel();
  const tab = new URLSearchParams(location.search).get('tab') || 'search';
  const button = document.querySelector(`#tab-${CSS.escape(tab)}-button`);
  if (button?.getAttribute('aria-selected') === 'false') button.click();
  if (umr.travel.here() !== umr.travel.shown) umr.travel.to(location.search);
  // A comparison that is not on show stays as it is until it is.
  if (tab === 'compare' && umr.compared.here() !== umr.compared.shown) umr.compared.to(location.search);
  if (tab === 'files') umr.mine.popped();
});

// ---- The query's picture: pasted or dropped anywhere, shown whole, enlarged

Object.assign(umr, {
  // A clip in the picture's place: the bar shows the strip of its frames that the server lays beside it.
  clip: {
    strip: '.frames.webp',
    ending: /\.(mp4|webm|mov|mkv|avi|m4v)$/i,
    is(src) { return src.endsWith(this.strip) && this.ending.test(this.file(src)); },
    // The address of the clip that a strip stands for; of a picture its own.
    // What is seen in the bar is said to those who do not see it.
    told(image) {
      if (!this.is(image.src) || image.title) return;
      image.title = image.alt = 'Frames of your clip, from the first to the last: these are searched with';
    },
    // The sheet's clip: which moments are read, as soon as its length is known.
    timed(panel) {
      const said = panel.querySelector('.u-frames'), video = panel.querySelector('.u-details-media video');
      const count = Number(said?.dataset.frames), tell = () => {
        const [start, end] = umr.part(video) || [0, video.duration];
        const clock = (s) => (end < 60 ? s.toFixed(1) : `${Math.floor(s / 60)}:${(s % 60).toFixed(1).padStart(4, '0')}`);
        const times = [...Array(count).keys()].map((at) => clock(start + at * (end - start) / Math.max(1, count - 1)));
        said.textContent = `${count} frames are read, at about ${times.join(', ')}${end < 60 ? ' s' : ''}.`;
      };
      if (!count || !video) return;
      if (Number.isFinite(video.duration)) tell(); else video.addEventListener('loadedmetadata', tell, { once: true });
    },
    file(src) { return src.endsWith(this.strip) ? src.slice(0, -this.strip.length) : src; },
  },

  picture: {
    heic: /\.hei[cf]$/i,
    // The box that takes a picture in the tab on show; null where none does.
    boxes: ['#q-image', '#c-image', '#f-image', '#f-drop'],
    box() { return this.boxes.find((box) => document.querySelector(box)?.offsetParent) || null; },
    // The file as Gradio's box takes it: pictures alone, by the type that a file says it has, which a browser may not
    // know of a HEIC. The server goes by its name.
    typed(file) {
      const clip = file.type.startsWith('video/') || umr.clip.ending.test(file.name);
      if (file.type.startsWith('image/') || !(clip || this.heic.test(file.name))) return file;
      return new File([file], file.name, { type: clip ? 'image/mp4' : 'image/heic' });
    },
    put(box, ...files) {
      const input = document.querySelector(`${box} input[type=file]`), carried = new DataTransfer();
      if (!input) return;
      for (const file of files) carried.items.add(box === '#f-drop' ? file : this.typed(file));
      input.files = carried.files;
      input.dispatchEvent(new Event('change', { bubbles: true }));
    },
    // Whether something is so within ten seconds, or `times` times `ms`.
    async until(so, times = 100, ms = 100) {
      for (let waited = 0; waited < times && !so(); waited += 1) await new Promise((done) => { setTimeout(done, ms); });
      return so();
    },
    // Waits until the box has no picture, for a second at most.
    gone(box) { return this.until(() => !document.querySelector(`${box} .image-frame img`), 20, 50); },
    // Whether the box has its picture within ten seconds.
    arrived(box, before = null) {
      return this.until(() => {
        const image = document.querySelector(`${box} .image-frame img`);
        return Boolean(image && image.src !== before && !umr.clip.ending.test(image.src));
      });
    },
    // What was pasted or dropped, in the tab on show; of a tab without a box it is Search's. Your files take everything,
    // and one picture is what they are searched with, where there are any.
    take(files) {
      const given = [...files], box = this.box(), file = given.find((one) => /^(image|video)\//.test(one.type)
        || this.heic.test(one.name) || umr.clip.ending.test(one.name));
      if (!given.length) return false;
      if (!box || !umr.address.given) this.toSearch(given);
      else if (box === '#f-drop' || (box === '#f-image' && (!file || given.length > 1))) this.put('#f-drop', ...given);
      else if (file) this.put(box, file);
      else umr.say(`${given[0].name || 'That'} is not a picture or a clip: choose a JPEG, PNG, WebP, MP4 or WebM file.`);
      return true;
    },
    // To the tab with a box, once the page has come to the tab of its address.
    async toSearch(files) {
      const shown = async (so) => {
        await this.until(so);
        await new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))); });
      };
      await shown(() => umr.address.given);
      if (this.box()) return this.take(files);
      document.querySelector('#tab-search-button')?.click();
      await shown(() => document.querySelector('#q-image input[type=file]'));
      scrollTo({ top: 0, behavior: 'instant' });
      return this.box() === '#q-image' && this.take(files);
    },
  },

  // A sentence below the query bar on show, until the next one.
  say(words) {
    document.querySelectorAll('.u-said').forEach((old) => old.remove());
    const box = umr.picture.box(), bar = box && document.querySelector(box).closest('#q-bar, #c-bar, #f-query, #f-bar');
    if (!bar || !words) return;
    const told = Object.assign(document.createElement('p'), { className: 'u-notice u-said', textContent: words });
    told.setAttribute('role', 'alert');
    bar.after(told);
  },
});

(() => {
  const carries = (event) => [...event.dataTransfer?.types || []].includes('Files');
  const inBox = (event) => event.target.closest?.('.upload-container, [data-testid="file-upload"], #f-drop, dialog');
  addEventListener('paste', (event) => {
    const files = event.clipboardData?.files;
    const typed = event.target.closest?.('input, textarea') && event.clipboardData.types.includes('text/plain');
    if (files?.length && !typed && !event.target.closest?.('dialog') && umr.picture.take(files)) event.preventDefault();
  });
  addEventListener('drop', (event) => {
    document.body.classList.remove('u-dropping');
    if (carries(event) && !inBox(event)) umr.picture.take(event.dataTransfer.files);
  });
  // What Gradio's box would refuse goes the same way, dropped into it or from the file chooser.
  const retyped = (event, file) => {
    const box = event.target.closest?.('#q-image, #c-image, #f-image');
    if (!box || !file || umr.picture.typed(file) === file) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    umr.picture.put(`#${box.id}`, file);
  };
  addEventListener('change', (event) => retyped(event, event.target.files?.[0]), true);
  addEventListener('drop', (event) => {
    const { target } = event;
    retyped(event, event.dataTransfer?.files[0]);
    if (event.defaultPrevented && target.closest('.upload-container')) {  // it is over for the box as well
      document.body.classList.remove('u-dropping');
      target.dispatchEvent(new DragEvent('dragleave', { bubbles: true }));
    }
  }, true);
  addEventListener('dragover', (event) => {
    document.body.classList.toggle('u-dropping', carries(event) && Boolean(umr.picture.box()));
  });
  addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) document.body.classList.remove('u-dropping');
  });

  // Nothing to search for: the field asks for words, and no search begins.
  const empty = () => {
    const box = document.querySelector('#q-image'), text = document.querySelector('#q-text textarea');
    const free = box?.querySelector('button.upload-container:not(.hidden)');
    return free && !box.querySelector('.uploading, [data-testid="upload-progress"], .progress-bar') && !text.value.trim();
  };
  const ask = (event) => {
    if (!empty()) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    umr.say('Say what you look for, or give a picture: then Search finds it.');
    document.querySelector('#q-text textarea').focus();
  };
  addEventListener('click', (event) => {
    if (event.target.closest?.('#q-go')) { umr.say(''); ask(event); }
  }, true);
  addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && !event.shiftKey && event.target.closest?.('#q-text')) { umr.say(''); ask(event); }
  }, true);
})();

// ---- Results taken along: as a table, as a TREC run, as a picture, as a list. All of it is what the page shows.

Object.assign(umr, {
  rows() {
    return [...umr.found().querySelectorAll('.u-card')].map((card, place) => ({
      rank: place + 1, id: card.dataset.id, score: Number(card.dataset.score), kind: card.dataset.kind,
      match: card.querySelector('.u-match')?.firstChild.textContent || '', name: card.dataset.name,
    }));
  },

  // What they answer, as the address says it; of a visitor's own files it is in none.
  asked() {
    const model = umr.found().querySelector('.u-timing [data-model]')?.dataset.model || 'umr';
    if (umr.found().id === 'results') return { model, ...Object.fromEntries(new URLSearchParams(location.search)) };
    const kind = document.querySelector('#f-kind input:checked')?.value || '';
    return { model, text: document.querySelector('#f-text textarea').value, in: kind };
  },

  // One file for each way; "copy" is the clipboard's.
  async take(way, button) {
    const rows = umr.rows(), asked = umr.asked(), model = asked.model + (asked.rerank ? '+rerank' : '');
    const quoted = (value) => `"${String(value).replaceAll('"', '""')}"`, keys = Object.keys(rows[0] || {});
    const made = {
      csv: () => ['text/csv', [keys, ...rows.map((row) => keys.map((key) => row[key]))].map(
        (line) => line.map(quoted).join(',')).join('\r\n')],
      json: () => ['application/json', JSON.stringify({ query: asked, made: new Date().toISOString(),
        results: rows }, null, 2)],
      trec: () => ['text/plain', rows.map(
        (row) => `page Q0 ${row.id.replaceAll(' ', '_')} ${row.rank} ${row.score} ${model}`).join('\n') + '\n'],
      png: async () => ['image/png', await umr.drawn(rows)],
      copy: () => ['', rows.map((row) => `${row.rank}. ${row.name} (${row.id}, ${row.score.toFixed(3)})`).join('\n')],
    }[way];
    if (!made || !rows.length) return;
    const [type, content] = await made(), label = button.textContent;
    try {
      if (type) umr.handOut(`results.${way === 'trec' ? 'run' : way}`, new Blob([content], { type }));
      else await navigator.clipboard.writeText(content);
      button.textContent = type ? 'Saved' : 'Copied';
    } catch { button.textContent = 'This browser does not allow it'; }
    setTimeout(() => { button.textContent = label; }, 2500);
  },

  handOut(name, blob) {
    const link = Object.assign(document.createElement('a'), { download: name, href: URL.createObjectURL(blob) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  },

  // The pictures of the results on one sheet, with rank, name and score.
  async drawn(rows) {
    const columns = 6, cell = 200, below = 46, canvas = document.createElement('canvas');
    canvas.width = columns * cell;
    canvas.height = 50 + Math.ceil(rows.length / columns) * (cell + below);
    const pen = canvas.getContext('2d'), text = (umr.asked().text || '').trim();
    pen.fillStyle = '#ffffff';
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.fillStyle = '#1b1c20';
    pen.font = '600 20px system-ui, sans-serif';
    pen.fillText(`${umr.found().querySelector('h2').textContent}${text ? ` for “${text}”` : ''}`, 12, 32, canvas.width - 24);
    const cards = [...umr.found().querySelectorAll('.u-card')];
    for (const [place, row] of rows.entries()) {
      const left = (place % columns) * cell, top = 50 + Math.floor(place / columns) * (cell + below);
      const shown = cards[place].querySelector('.u-media :is(img, video)');
      if (shown?.decode) await (shown.loading = 'eager', shown.decode().catch(() => {}));
      try { if (shown) pen.drawImage(shown, left + 6, top, cell - 12, cell - 12); } catch { /* it has not come yet */ }
      pen.fillStyle = '#1b1c20';
      pen.font = '13px system-ui, sans-serif';
      pen.fillText(`${row.rank}  ${row.name}`, left + 8, top + cell + 6, cell - 16);
      pen.fillStyle = '#5c5d64';
      pen.fillText(`${row.match} ${row.score.toFixed(3)}`.trim(), left + 8, top + cell + 24, cell - 16);
    }
    return new Promise((done) => { canvas.toBlob(done, 'image/png'); });
  },
});

// ---- The query's picture, large, and the part of it that is searched with: a region with handles, for keys too

Object.assign(umr, {
  crop: {
    whole: null,  // what the region was cut from: its file's address, the region, and the address of what was cut
    region: { x: 0, y: 0, w: 1, h: 1 },
    least: 0.08,
    dialog: null,
    make() {
      const dialog = document.createElement('dialog');
      dialog.id = 'u-crop';
      dialog.setAttribute('aria-label', 'The picture, and the part to search with');
      const handles = ['nw', 'n', 'ne', 'e', 'se', 's', 'sw', 'w'].map((at) => `<i data-at="${at}"></i>`).join('');
      dialog.innerHTML = `<div class="u-crop-stage"><img alt="The picture you search with"><div class="u-crop-region"
        tabindex="0" role="group" aria-label="Part to search with: arrows move it, Shift and arrows change its size"
        >${handles}</div></div><p class="u-crop-said" aria-live="polite"></p><div class="u-crop-row"><button type="button"
        data-crop="part">Search this part</button><button type="button" data-crop="whole">Whole picture</button><button
        type="button" data-crop="close">Close</button></div>`;
      dialog.addEventListener('click', (event) => {
        if (event.target === dialog) dialog.close();
        const way = event.target.dataset?.crop;
        if (way === 'close') dialog.close();
        if (way === 'whole') this.reset();
        if (way === 'part') this.cut();
      });
      this.dragged(dialog.querySelector('.u-crop-region'));
      document.body.append(dialog);
      return dialog;
    },
    // Opens the picture of the bar; of one that was cut already, what it was cut from. Once it is read, so that the
    // dialog has its size from the start.
    async open(image) {
      if (this.whole?.cut !== image.src) this.whole = { src: image.src, cut: '', region: { x: 0, y: 0, w: 1, h: 1 } };
      const { src } = this.whole;
      await Object.assign(new Image(), { src }).decode().catch(() => {});
      if (this.whole.src !== src || this.dialog?.open) return;
      this.dialog ||= this.make();
      this.region = { ...this.whole.region };
      this.dialog.querySelector('img').src = src;
      this.draw();
      this.dialog.showModal();
      this.dialog.querySelector('.u-crop-region').focus();
    },
    draw() {
      const { x, y, w, h } = this.region, box = this.dialog.querySelector('.u-crop-region');
      Object.assign(box.style, { left: `${100 * x}%`, top: `${100 * y}%`, width: `${100 * w}%`, height: `${100 * h}%` });
      for (const [edge, at] of Object.entries({ left: x, top: y, right: x + w, bottom: y + h }))
        box.parentElement.style.setProperty(`--u-${edge}`, `${100 * at}%`);  // all around it is dimmed
      const all = w > 0.999 && h > 0.999;
      this.dialog.querySelector('.u-crop-said').textContent = all
        ? 'Drag a corner to search with a part of the picture.'
        : `${Math.round(100 * w)} % by ${Math.round(100 * h)} % of the picture`;
      this.dialog.querySelector('[data-crop="part"]').disabled = all && !this.whole.cut;
    },
    // Moves the region's edges; what would lie outside is held back.
    move(at, dx, dy) {
      const r = { ...this.region }, held = (value, low, high) => Math.min(high, Math.max(low, value));
      if (at === 'all') {
        r.x = held(r.x + dx, 0, 1 - r.w);
        r.y = held(r.y + dy, 0, 1 - r.h);
      }
      if (at.includes('w')) { const x = held(r.x + dx, 0, r.x + r.w - this.least); r.w += r.x - x; r.x = x; }
      if (at.includes('n')) { const y = held(r.y + dy, 0, r.y + r.h - this.least); r.h += r.y - y; r.y = y; }
      if (at.includes('e')) r.w = held(r.w + dx, this.least, 1 - r.x);
      if (at.includes('s')) r.h = held(r.h + dy, this.least, 1 - r.y);
      this.region = r;
      this.draw();
    },
    dragged(box) {
      let from = null;
      box.addEventListener('pointerdown', (event) => {
        from = { at: event.target.dataset.at || 'all', x: event.clientX, y: event.clientY };
        box.setPointerCapture(event.pointerId);
        event.preventDefault();
        box.focus();
      });
      box.addEventListener('pointermove', (event) => {
        if (!from) return;
        const stage = box.parentElement.getBoundingClientRect();
        this.move(from.at, (event.clientX - from.x) / stage.width, (event.clientY - from.y) / stage.height);
        Object.assign(from, { x: event.clientX, y: event.clientY });
      });
      box.addEventListener('pointerup', () => { from = null; });
      box.addEventListener('keydown', (event) => {
        const step = { ArrowLeft: [-0.02, 0], ArrowRight: [0.02, 0], ArrowUp: [0, -0.02], ArrowDown: [0, 0.02] }[event.key];
        if (event.key === 'Enter') this.cut();
        if (!step) return;
        this.move(event.shiftKey ? 'es' : 'all', ...step);
        event.preventDefault();
      });
    },
    // The whole picture is the query again.
    async reset() {
      this.region = { x: 0, y: 0, w: 1, h: 1 };
      this.draw();
      if (this.whole.cut) await this.give(await (await fetch(this.whole.src)).blob(), false);
    },
    async cut() {
      const image = this.dialog.querySelector('img'), { x, y, w, h } = this.region, canvas = document.createElement('canvas');
      canvas.width = Math.max(1, Math.round(w * image.naturalWidth));
      canvas.height = Math.max(1, Math.round(h * image.naturalHeight));
      canvas.getContext('2d').drawImage(image, x * image.naturalWidth, y * image.naturalHeight, canvas.width, canvas.height,
        0, 0, canvas.width, canvas.height);
      await this.give(await new Promise((done) => { canvas.toBlob(done, 'image/png'); }), true);
    },
    // Puts it into the bar in the picture's place, and searches with it.
    async give(blob, part) {
      const before = document.querySelector('#q-image .image-frame img')?.src, whole = this.whole;
      const name = part ? 'part.png' : decodeURIComponent(whole.src.split('/').pop());
      this.dialog.close();
      umr.picture.put('#q-image', new File([blob], name, { type: blob.type }));
      if (!await umr.picture.arrived('#q-image', before)) return;
      const now = document.querySelector('#q-image .image-frame img').src;
      this.whole = part ? { ...whole, cut: now, region: { ...this.region } } : null;
      document.querySelector('#q-go').click();
    },
  },
});

(() => {
  const picture = (event) => {
    const image = event.target.closest?.('#q-image .image-frame img');
    return image && !umr.clip.ending.test(image.src) && !umr.clip.is(image.src) ? image : null;  // pictures alone are cut
  };
  addEventListener('click', (event) => { if (picture(event)) umr.crop.open(picture(event)); });
  addEventListener('keydown', (event) => {
    if (!picture(event) || !['Enter', ' '].includes(event.key)) return;
    event.preventDefault();
    umr.crop.open(picture(event));
  });
  // Gradio's picture is no button of its own.
  new MutationObserver(() => {
    const boxes = ':is(#q-image, #c-image, #f-image)';
    for (const input of document.querySelectorAll(`${boxes} input[type=file][accept="image/*"]`))
      input.accept = 'image/*,video/*';
    for (const image of document.querySelectorAll(`${boxes} .image-frame img`)) umr.clip.told(image);
    const image = document.querySelector('#q-image .image-frame img:not([role])');
    if (!image || umr.clip.ending.test(image.src) || umr.clip.is(image.src)) return;
    image.tabIndex = 0;
    image.setAttribute('role', 'button');
    image.setAttribute('aria-label', 'The picture you search with: open it, or choose a part');
    image.title = 'Open, or choose a part';
  }).observe(document.documentElement, { childList: true, subtree: true });
})();

// ---- On a phone the bar stays on top while results scroll, without its filters

umr.before = 0;  // results before more were asked for
umr.hidden = (bar) => {  // px at its bottom: all below its picture but the padding
  if (bar.id !== 'q-bar' || !matchMedia('(max-width: 640px)').matches) return 0;
  const bottom = (part) => part.getBoundingClientRect().bottom;
  return bottom(bar) - bottom(bar.querySelector('#q-image')) - parseFloat(getComputedStyle(bar).paddingBottom);
};

umr.stick = () => {
  const bar = document.querySelector('#q-bar');
  if (!bar?.offsetParent) return;
  if (umr.stuck !== bar) {  // its filters may grow after the last scrolling
    umr.stuck = bar;
    umr.resized.observe(bar.querySelector('#q-options'));
  }
  bar.style.setProperty('--u-clipped', `${umr.hidden(bar)}px`);
  bar.classList.toggle('u-stuck', bar.getBoundingClientRect().top <= parseFloat(getComputedStyle(bar).top) + 1);
};
umr.resized = new ResizeObserver(() => umr.stick());
addEventListener('scroll', umr.stick, { passive: true });
