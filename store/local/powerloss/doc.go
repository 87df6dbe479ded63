// Package powerloss is a file system, for tests, that forgets what was not synced when
// its power is cut. It is mounted by FUSE, so that what a program writes through the
// memory of mapped files is seen too.
//
// What is written is durable after fsync, fdatasync or msync of the file, and that a
// name is there, is another file's or is gone, after fsync of its folder. When the
// power is cut the disk has that, and of the rest any part: page by page of what was
// written, and name by name of what was made, renamed and removed, in whatever order.
package powerloss
