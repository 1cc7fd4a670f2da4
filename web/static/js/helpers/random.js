// Random names. crypto.randomUUID exists in secure contexts only, and a laptop on the local network often is not one.

/** `bytes` random bytes in hexadecimal. */
export function randomHex(bytes) {
  const values = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(values, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
