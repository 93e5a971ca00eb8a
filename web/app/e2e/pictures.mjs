/** Compares pictures, in a browser that can read them anyway: how much of one differs visibly from another. */

/** A channel may differ by this much: text is smoothed a little differently from run to run. */
const SHADES = 40;

/** The share of pixels that differ, 1 if the sizes do. */
export async function difference(browser, a, b) {
  const page = await browser.newPage();
  try {
    return await page.evaluate(
      async ([first, second, shades]) => {
        const read = async (base64) => {
          const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
          const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
          const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
          context.drawImage(bitmap, 0, 0);
          return context.getImageData(0, 0, bitmap.width, bitmap.height);
        };
        const [one, other] = [await read(first), await read(second)];
        if (one.width !== other.width || one.height !== other.height) {
          return 1;
        }
        let different = 0;
        for (let at = 0; at < one.data.length; at += 4) {
          const far = [0, 1, 2].some((channel) => Math.abs(one.data[at + channel] - other.data[at + channel]) > shades);
          different += far ? 1 : 0;
        }
        return different / (one.data.length / 4);
      },
      [a.toString('base64'), b.toString('base64'), SHADES],
    );
  } finally {
    await page.close();
  }
}
