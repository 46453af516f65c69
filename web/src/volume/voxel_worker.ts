/** A worker that reads voxel blocks. */
import { readVoxelBlock, type VoxelBlock } from "./voxel_block";
import { answerCalls } from "./worker_calls";

answerCalls<ArrayBuffer, VoxelBlock>(readVoxelBlock, ({ voxels }) => [voxels.buffer]);
