//go:build cgo && (linux || darwin)

#define _GNU_SOURCE
#include "shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/auxv.h>
#include <sys/syscall.h>
#endif

// load opens a library and finds its functions by their names.
static int load(struct loaded *l, const char *file, const char *const *names) {
	l->handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	if (l->handle == NULL) {
		snprintf(l->message, message_size, "%s", dlerror());
		return 1;
	}
	for (int i = 0; names[i] != NULL; i++) {
		l->functions[i] = dlsym(l->handle, names[i]);
		if (l->functions[i] == NULL) {
			snprintf(l->message, message_size, "%s has no function %s: it is too old, or another library", file, names[i]);
			dlclose(l->handle);
			return 1;
		}
	}
	Dl_info info;
	if (dladdr(l->functions[0], &info) != 0 && info.dli_fname != NULL)
		file = info.dli_fname;
	snprintf(l->path, sizeof l->path, "%s", file);
	return 0;
}

// decoder writes the size bytes of an image's samples to out: those of JPEG-LS in
// 8 or 16 bits as the stream interleaves them, those of JPEG 2000 in 32 bits,
// interleaved.
typedef int (*decoder)(const struct loaded *, const uint8_t *, size_t, const struct request *, void *, size_t, char *);

// CharLS (charls_jpegls_decoder.h).

struct frame_info {
	uint32_t width, height;
	int32_t bits_per_sample, component_count;
};

enum {
	charls_version,
	charls_message,
	charls_create,
	charls_destroy,
	charls_source,
	charls_header,
	charls_info,
	charls_size,
	charls_decode
};

// charls_no_memory is not_enough_memory of charls_jpegls_errc.
enum { charls_no_memory = 13 };

static const char *const charls_names[] = {
	"charls_get_version_string",
	"charls_get_error_message",
	"charls_jpegls_decoder_create",
	"charls_jpegls_decoder_destroy",
	"charls_jpegls_decoder_set_source_buffer",
	"charls_jpegls_decoder_read_header",
	"charls_jpegls_decoder_get_frame_info",
	"charls_jpegls_decoder_get_destination_size",
	"charls_jpegls_decoder_decode_to_buffer",
	NULL,
};

// CALL is function i of l, of type t.
#define CALL(l, i, t) ((t)(l)->functions[i])

int load_charls(struct loaded *l, const char *file) {
	if (load(l, file, charls_names) != 0)
		return 1;
	snprintf(l->version, sizeof l->version, "%s", CALL(l, charls_version, const char *(*)(void))());
	return 0;
}

static int32_t run_jpegls(const struct loaded *l, void *decoder, const uint8_t *data, size_t length,
	const struct request *e, void *out, size_t size, int *answer) {
	struct frame_info f = {0};
	size_t needed = 0;
	int32_t code = CALL(l, charls_source, int32_t(*)(void *, const void *, size_t))(decoder, data, length);
	if (code == 0)
		code = CALL(l, charls_header, int32_t(*)(void *))(decoder);
	if (code == 0)
		code = CALL(l, charls_info, int32_t(*)(const void *, struct frame_info *))(decoder, &f);
	if (code == 0)
		code = CALL(l, charls_size, int32_t(*)(const void *, uint32_t, size_t *))(decoder, 0, &needed);
	if (code != 0)
		return code;
	if (f.width != e->width || f.height != e->height || f.bits_per_sample != (int32_t)e->precision ||
		f.component_count != (int32_t)e->components || needed != size) {
		*answer = differs;
		return 0;
	}
	return CALL(l, charls_decode, int32_t(*)(void *, void *, size_t, uint32_t))(decoder, out, size, 0);
}

static int jpegls(const struct loaded *l, const uint8_t *data, size_t length, const struct request *e,
	void *out, size_t size, char *message) {
	void *decoder = CALL(l, charls_create, void *(*)(void))();
	if (decoder == NULL)
		return no_memory;
	int answer = decoded;
	int32_t code = run_jpegls(l, decoder, data, length, e, out, size, &answer);
	CALL(l, charls_destroy, void (*)(const void *))(decoder);
	if (code != 0) {
		snprintf(message, message_size, "%s", CALL(l, charls_message, const char *(*)(int32_t))(code));
		return code == charls_no_memory ? no_memory : failed;
	}
	return answer;
}

// OpenJPEG (openjpeg.h).

struct component {
	uint32_t dx, dy, w, h, x0, y0, prec, bpp, sgnd, resno_decoded, factor;
	int32_t *data;
	uint16_t alpha;
};

struct image {
	uint32_t x0, y0, x1, y1, numcomps;
	int color_space;
	struct component *comps;
	uint8_t *icc_profile_buf;
	uint32_t icc_profile_len;
};

enum {
	opj_version,
	opj_create,
	opj_destroy,
	opj_defaults,
	opj_setup,
	opj_strict,
	opj_threads,
	opj_errors,
	opj_stream_create,
	opj_stream_destroy,
	opj_stream_read,
	opj_stream_skip,
	opj_stream_seek,
	opj_stream_data,
	opj_stream_length,
	opj_header,
	opj_decode,
	opj_image_destroy
};

static const char *const opj_names[] = {
	"opj_version",
	"opj_create_decompress",
	"opj_destroy_codec",
	"opj_set_default_decoder_parameters",
	"opj_setup_decoder",
	"opj_decoder_set_strict_mode",
	"opj_codec_set_threads",
	"opj_set_error_handler",
	"opj_stream_create",
	"opj_stream_destroy",
	"opj_stream_set_read_function",
	"opj_stream_set_skip_function",
	"opj_stream_set_seek_function",
	"opj_stream_set_user_data",
	"opj_stream_set_user_data_length",
	"opj_read_header",
	"opj_decode",
	"opj_image_destroy",
	NULL,
};

int load_openjpeg(struct loaded *l, const char *file) {
	if (load(l, file, opj_names) != 0)
		return 1;
	snprintf(l->version, sizeof l->version, "%s", CALL(l, opj_version, const char *(*)(void))());
	return 0;
}

// source is a stream in memory.
struct source {
	const uint8_t *data;
	size_t length, at;
};

static size_t source_read(void *buffer, size_t size, void *user) {
	struct source *s = user;
	size_t left = s->length - s->at;
	if (left == 0)
		return (size_t)-1;
	if (size > left)
		size = left;
	memcpy(buffer, s->data + s->at, size);
	s->at += size;
	return size;
}

static int64_t source_skip(int64_t size, void *user) {
	struct source *s = user;
	size_t left = s->length - s->at;
	if (size < 0 || left == 0)
		return -1;
	if ((uint64_t)size > left)
		size = (int64_t)left;
	s->at += (size_t)size;
	return size;
}

static int source_seek(int64_t to, void *user) {
	struct source *s = user;
	if (to < 0 || (uint64_t)to > s->length)
		return 0;
	s->at = (size_t)to;
	return 1;
}

// keep keeps the text of an error, without its end of line.
static void keep(const char *text, void *user) {
	char *message = user;
	snprintf(message, message_size, "%s", text);
	message[strcspn(message, "\r\n")] = 0;
}

static void *open_source(const struct loaded *l, struct source *s) {
	void *stream = CALL(l, opj_stream_create, void *(*)(size_t, int))(1 << 16, 1);
	if (stream == NULL)
		return NULL;
	CALL(l, opj_stream_read, void (*)(void *, size_t(*)(void *, size_t, void *)))(stream, source_read);
	CALL(l, opj_stream_skip, void (*)(void *, int64_t(*)(int64_t, void *)))(stream, source_skip);
	CALL(l, opj_stream_seek, void (*)(void *, int (*)(int64_t, void *)))(stream, source_seek);
	CALL(l, opj_stream_data, void (*)(void *, void *, void (*)(void *)))(stream, s, NULL);
	CALL(l, opj_stream_length, void (*)(void *, uint64_t))(stream, s->length);
	return stream;
}

// open_codec returns a decoder of codestreams that is strict and has no threads.
static void *open_codec(const struct loaded *l, char *message) {
	// opj_dparameters_t has about 8 KiB, most of it names of files.
	union {
		uint64_t align;
		uint8_t bytes[1 << 15];
	} parameters = {0};
	void *codec = CALL(l, opj_create, void *(*)(int))(0);
	if (codec == NULL)
		return NULL;
	CALL(l, opj_errors, int (*)(void *, void (*)(const char *, void *), void *))(codec, keep, message);
	CALL(l, opj_defaults, void (*)(void *))(&parameters);
	if (CALL(l, opj_setup, int (*)(void *, void *))(codec, &parameters) &&
		CALL(l, opj_strict, int (*)(void *, int))(codec, 1) && CALL(l, opj_threads, int (*)(void *, int))(codec, 0))
		return codec;
	CALL(l, opj_destroy, void (*)(void *))(codec);
	return NULL;
}

// fits reports whether an image is what its header said.
static int fits(const struct image *i, const struct request *e) {
	if (i->numcomps != e->components || i->x1 - i->x0 != e->width || i->y1 - i->y0 != e->height)
		return 0;
	for (uint32_t k = 0; k < i->numcomps; k++) {
		const struct component *c = &i->comps[k];
		if (c->dx != 1 || c->dy != 1 || c->prec != e->precision || c->sgnd != e->is_signed)
			return 0;
	}
	return 1;
}

// interleave copies the samples of a complete image.
static int interleave(const struct image *i, const struct request *e, int32_t *out) {
	size_t pixels = (size_t)e->width * e->height;
	for (uint32_t k = 0; k < e->components; k++) {
		const struct component *c = &i->comps[k];
		if (c->w != e->width || c->h != e->height || c->data == NULL)
			return differs;
		for (size_t p = 0; p < pixels; p++)
			out[p * e->components + k] = c->data[p];
	}
	return decoded;
}

static int jpeg2000(const struct loaded *l, const uint8_t *data, size_t length, const struct request *e,
	void *out, size_t size, char *message) {
	struct source s = {data, length, 0};
	struct image *image = NULL;
	void *codec = open_codec(l, message), *stream = open_source(l, &s);
	int answer = codec != NULL && stream != NULL ? failed : no_memory;
	if (codec != NULL && stream != NULL &&
		CALL(l, opj_header, int (*)(void *, void *, struct image **))(stream, codec, &image)) {
		if (!fits(image, e) || size != sizeof(int32_t) * e->width * e->height * e->components)
			answer = differs;
		else if (CALL(l, opj_decode, int (*)(void *, void *, struct image *))(codec, stream, image))
			answer = fits(image, e) ? interleave(image, e, out) : differs;
	}
	if (image != NULL)
		CALL(l, opj_image_destroy, void (*)(struct image *))(image);
	if (stream != NULL)
		CALL(l, opj_stream_destroy, void (*)(void *))(stream);
	if (codec != NULL)
		CALL(l, opj_destroy, void (*)(void *))(codec);
	if (answer == failed && strstr(message, "memory") != NULL)
		return no_memory; // OpenJPEG tells it by the text alone
	return answer;
}

// A decoding runs in a worker: a process of this program that calls nothing but
// the library, so that a fault, a failed assertion, an endless loop or endless
// memory of a library ends that process alone. It becomes one before main, and
// before Go, by a variable of its environment: the kind of library, C or O, the
// number of the process that it works for, a colon and the library's file.

static int read_all(void *to, size_t size) {
	uint8_t *p = to;
	while (size > 0) {
		ssize_t n = read(STDIN_FILENO, p, size);
		if (n == 0 || (n < 0 && errno != EINTR))
			return 0;
		if (n > 0) {
			p += n;
			size -= (size_t)n;
		}
	}
	return 1;
}

// answers is where results go: a library may print to the standard output.
static int answers = -1;

static int write_all(const void *from, size_t size) {
	const uint8_t *p = from;
	while (size > 0) {
		ssize_t n = write(answers, p, size);
		if (n < 0 && errno != EINTR)
			return 0;
		if (n > 0) {
			p += n;
			size -= (size_t)n;
		}
	}
	return 1;
}

// limit bounds a decoding by the processor's time, in whole seconds from what is
// used already, and by memory.
static void limit(const struct request *q) {
	struct rusage u;
	struct rlimit r;
	if (getrusage(RUSAGE_SELF, &u) == 0 && getrlimit(RLIMIT_CPU, &r) == 0) {
		long used = (u.ru_utime.tv_usec + u.ru_stime.tv_usec + 999999) / 1000000;
		r.rlim_cur = (rlim_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec + used) + q->seconds;
		setrlimit(RLIMIT_CPU, &r);
	}
	if (getrlimit(RLIMIT_AS, &r) == 0) {
		r.rlim_cur = ((rlim_t)1 << 30) + 4 * q->length + 128 * (rlim_t)q->width * q->height * q->components;
		setrlimit(RLIMIT_AS, &r);
	}
}

// answer serves one request, and reports whether another may follow: only a
// decoded image leaves the library as it was.
static int answer(const struct loaded *l, decoder run) {
	struct request q;
	struct result r = {no_memory, ""};
	if (!read_all(&q, sizeof q))
		return 0;
	limit(&q);
	uint8_t *data = malloc(q.length), *out = malloc(q.size);
	if (data != NULL && out != NULL) {
		if (!read_all(data, q.length))
			return 0;
		r.answer = run(l, data, q.length, &q, out, q.size, r.message);
	}
	int more = write_all(&r, sizeof r) && r.answer == decoded && write_all(out, q.size);
	free(data);
	free(out);
	return more;
}

int raised(void) {
#ifdef __linux__
	return getauxval(AT_SECURE) != 0;
#else
	return issetugid();
#endif
}

const char *executed(void) {
#ifdef __linux__
	return (const char *)getauxval(AT_EXECFN);
#else
	return NULL;
#endif
}

// variable returns what the environment says, which is not to be trusted with
// raised privileges.
static const char *variable(const char *name) {
#ifdef __linux__
	return secure_getenv(name);
#else
	return raised() ? NULL : getenv(name);
#endif
}

// is_pipe reports whether a descriptor is a pipe.
static int is_pipe(int file) {
	struct stat s;
	return fstat(file, &s) == 0 && S_ISFIFO(s.st_mode);
}

// library_of returns the library's file of a worker's variable, or NULL where
// this process was not started as a worker.
static const char *library_of(const char *value) {
	char *end;
	if (*value != 'C' && *value != 'O')
		return NULL;
	long parent = strtol(value + 1, &end, 10);
	if (*end != ':' || parent != getppid() || !is_pipe(STDIN_FILENO) || !is_pipe(STDOUT_FILENO))
		return NULL;
	return end + 1;
}

// close_others closes the descriptors that were inherited beside the standard
// three.
static void close_others(void) {
#ifdef SYS_close_range
	if (syscall(SYS_close_range, 3U, ~0U, 0U) == 0)
		return;
#endif
	long most = sysconf(_SC_OPEN_MAX);
	for (long i = 3; i < most && i < 1 << 20; i++)
		close((int)i);
}

// prepare makes this process one that only answers, and ends with its input, not
// with signals that are meant for the program.
static int prepare(void) {
	struct rlimit none = {0, 0};
	setrlimit(RLIMIT_CORE, &none); // it would hold an image
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	close_others();
	answers = dup(STDOUT_FILENO);
	return answers >= 0 && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0;
}

__attribute__((constructor)) static void work(void) {
	const char *value = variable(worker_variable);
	if (value == NULL || *value == 0)
		return;
	const char *file = library_of(value);
	if (file == NULL) {
		fprintf(stderr, "The environment has %s, which is for processes that this program starts itself: unset it\n", worker_variable);
		_exit(1);
	}
	static struct loaded l;
	if (!prepare() || (*value == 'C' ? load_charls(&l, file) : load_openjpeg(&l, file)))
		_exit(1);
	while (answer(&l, *value == 'C' ? jpegls : jpeg2000))
		;
	_exit(0);
}
