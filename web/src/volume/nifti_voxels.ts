/** The voxels of an uncompressed NIfTI file as the server sends it: int16 or float32, stored i fastest. */
export type Voxels = Int16Array | Float32Array;

export function voxelsOfNifti(buffer: ArrayBuffer, count: number): Voxels {
  const view = new DataView(buffer);
  if (view.getInt32(0, true) !== 348)
    throw new Error(
      "The image that the server sent is not an uncompressed little-endian NIfTI file. Reload the page.",
    );
  const datatype = view.getInt16(70, true);
  const offset = view.getFloat32(108, true);
  if (datatype === 4) return new Int16Array(buffer, offset, count);
  if (datatype === 16) return new Float32Array(buffer, offset, count);
  throw new Error(
    `The image that the server sent has NIfTI datatype ${datatype}, and int16 or float32 is needed.`,
  );
}
