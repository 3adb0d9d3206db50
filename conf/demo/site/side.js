'use strict';
// Asks two applications and the status all the time, and shows what they say.
const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const get = async (url) => {
  const reply = await fetch(url, {cache: 'no-store'});
  if (!reply.ok) throw new Error(`${url}: ${reply.status}`);
  return reply.json();
};

const ask = async (name, url) => {
  const card = document.getElementById(name), show = (part, text) => {
    const place = card.querySelector(`.${part}`);
    if (place) place.textContent = text;
  };
  let good = 0, bad = 0, newest = 0;
  for (;;) {
    try {
      const found = await get(url);
      // (each worker has an interpreter of the application, and requests go to whichever is free)
      newest = Math.max(newest, found.started);
      show('since', `${Math.max(0, Math.round(Date.now() / 1000 - newest))} s`);
      good += 1;
    } catch (error) {
      bad += 1;
    }
    show('good', good);
    show('bad', bad);
    await wait(200);
  }
};

const list = async () => {
  const body = document.querySelector('#interpreters tbody');
  const replaced = document.querySelector('#counter .replaced');
  let first = null;
  for (;;) {
    try {
      const found = (await get('/server-status?json')).interpreters;
      body.replaceChildren(...found.map((one) => {
        const row = document.createElement('tr');
        for (const [text, kind] of [[one.name, ''], [one.kind, ''], [one.live, 'number'], [one.requests, 'number'],
          [one.recycled, 'number']]) {
          const cell = row.insertCell();
          cell.textContent = text;
          cell.className = kind;
        }
        return row;
      }));
      const counter = found.find((one) => one.name === 'counter');
      if (counter) {
        first = first === null ? counter.recycled : first;
        replaced.textContent = counter.recycled - first;
      }
    } catch (error) {
      body.textContent = `the status can't be had: ${error.message}`;
    }
    await wait(1000);
  }
};

const button = document.querySelector('form[action="/recycle"] button');
button.form.addEventListener('submit', async (event) => {
  event.preventDefault();
  button.disabled = true;
  await fetch('/recycle', {method: 'POST'});
  button.disabled = false;
});
ask('hello', '/hello?facts');
ask('counter', '/counter');
list();
