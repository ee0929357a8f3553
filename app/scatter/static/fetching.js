// Fetching by hash. The browser's cache keeps what it was told never changes; here only the
// answers of the last minutes are kept, because a hover must not wait for a parser.

const MOST_KEPT = 500;
const kept = new Map();
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// The server may have dropped an array that nobody used for long. The page puts it there again with
// its next run, so that a second try helps.
export async function fetchBytes(address, tries = 3) {
  for (let attempt = 1; ; attempt++) {
    const answer = await fetch(address);
    if (answer.ok) return answer.arrayBuffer();
    if (attempt === tries) throw new Error(`${answer.status} for ${address}`);
    await pause(400 * attempt);
  }
}

// What an item has to say; {reason} if it is gone.
export function fetchJson(address) {
  if (kept.has(address)) return kept.get(address);
  const promise = fetch(address).then((answer) => {
    if (!answer.ok) kept.delete(address); // it may be there again at the next look
    return answer.json();
  });
  kept.set(address, promise);
  promise.catch(() => kept.delete(address));
  if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value);
  return promise;
}
