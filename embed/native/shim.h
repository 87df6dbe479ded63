//go:build cgo && (linux || darwin)

// What is called of CharLS 2 and OpenJPEG 2.5, declared by their stable C
// interfaces, and the worker that calls it.
#include <stddef.h>
#include <stdint.h>

enum { message_size = 256 };

// worker_variable makes a process a worker.
#define worker_variable "NEARCASE_CODEC_WORKER"

struct loaded {
	void *handle;
	void *functions[20];
	char path[1024];
	char version[64];
	char message[message_size];
};

// The loading functions return 0 if all went well, and set message if not.
int load_charls(struct loaded *l, const char *file);
int load_openjpeg(struct loaded *l, const char *file);

// request is what a worker reads: what the header said, the processor's seconds
// that the decoding may take, and the sizes of the image's data, which follow,
// and of its samples.
struct request {
	uint32_t width, height, components, precision, is_signed, seconds;
	uint64_t length, size;
};

// result is what a worker writes, followed by the samples if they are decoded.
struct result {
	int32_t answer;
	char message[message_size];
};

enum { decoded, failed, differs, no_memory };

// raised reports whether this process has privileges by its program's file: a set
// user or group, on Linux also capabilities or a security policy.
int raised(void);

// executed returns the file that was executed, as it was named, or NULL where
// the system does not tell.
const char *executed(void);
