// In a crowd: a short sum that a flood cannot afford. The form is whole without it; then it waits a little longer.
const form = document.querySelector("form[data-puzzles]");
const K = new Uint32Array(64);
const BEGIN = new Uint32Array(8);

// The first bits of the fractions of square and cube roots of primes (FIPS 180-4).
for (let found = 0, n = 2; found < 64; n++) {
  let prime = true;
  for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false;
  if (!prime) continue;
  if (found < 8) BEGIN[found] = (Math.sqrt(n) % 1) * 4294967296;
  K[found++] = (Math.cbrt(n) % 1) * 4294967296;
}

const turn = (x, by) => (x >>> by) | (x << (32 - by));
const words = new Uint32Array(64);

const block = new Uint8Array(64);
const view = new DataView(block.buffer);

// The first word of the SHA-256 of a short text: 55 bytes of ASCII at most, one block.
export function firstWord(text) {
  const length = text.length;
  for (let at = 0; at < length; at++) block[at] = text.charCodeAt(at);
  block.fill(0, length);
  block[length] = 0x80;
  view.setUint32(60, length * 8);
  for (let n = 0; n < 16; n++) words[n] = view.getUint32(n * 4);
  for (let n = 16; n < 64; n++) {
    const one = words[n - 15], two = words[n - 2];
    const less = turn(one, 7) ^ turn(one, 18) ^ (one >>> 3);
    const more = turn(two, 17) ^ turn(two, 19) ^ (two >>> 10);
    words[n] = words[n - 16] + less + words[n - 7] + more;
  }
  let a = BEGIN[0], b = BEGIN[1], c = BEGIN[2], d = BEGIN[3];
  let e = BEGIN[4], f = BEGIN[5], g = BEGIN[6], h = BEGIN[7];
  for (let n = 0; n < 64; n++) {
    const high = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25);
    const one = (h + high + ((e & f) ^ (~e & g)) + K[n] + words[n]) | 0;
    const low = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22);
    const two = (low + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + one) | 0;
    d = c;
    c = b;
    b = a;
    a = (one + two) | 0;
  }
  return (a + BEGIN[0]) >>> 0;
}

// A slice at a time, so that whoever types meanwhile notices nothing.
async function solve(seed, puzzles, bits) {
  const numbers = [];
  for (let n = 0; n < puzzles; n++) {
    for (let number = 0; ; number++) {
      if (firstWord(`${seed}:${n}:${number}`) >>> (32 - bits) === 0) {
        numbers.push(number);
        break;
      }
      if (number % 500 === 499) await new Promise((go) => setTimeout(go));
    }
  }
  return numbers;
}

if (form) {
  const { seed, puzzles, bits } = form.dataset;
  solve(seed, Number(puzzles), Number(bits)).then((numbers) => {
    form.elements.proof.value = numbers.join(",");
  });
}
