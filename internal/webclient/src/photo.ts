// Photos leave the device without what the camera wrote into them: where, when, with which phone.
// Drawing a picture anew is the one way that drops everything, known and unknown.

export interface Photo {
  blob: Blob;
  width: number;
  height: number;
}

const LONGEST = 2048;

/** Draws a picture anew, turned the right way up and at most 2048 pixels long. */
export async function redraw(file: Blob): Promise<Photo> {
  const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
  const scale = Math.min(1, LONGEST / Math.max(picture.width, picture.height));
  const width = Math.max(1, Math.round(picture.width * scale));
  const height = Math.max(1, Math.round(picture.height * scale));
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d", { alpha: file.type === "image/png" || file.type === "image/webp" });
  if (!pen) throw new Error("no canvas");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(picture, 0, 0, width, height);
  picture.close();
  const type = file.type === "image/png" ? "image/png" : "image/jpeg";
  const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, type, 0.86));
  if (!blob) throw new Error("the picture could not be drawn");
  return { blob, width, height };
}
