// What the C++ drivers share: the protocol of README.md, the memory of the
// process, and the measurement of a search.
#pragma once

#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace peers {

// The process's arguments; every one has a value.
struct Arguments {
    std::string vectors, queries, out, engine = "hnsw";
    size_t dim = 0, k = 10, threads = 1, m = 16, ef_construction = 200, repetitions = 5;
    std::vector<size_t> ef{64}, search_threads{1};
};

inline std::vector<size_t> list(const std::string& text) {
    std::vector<size_t> numbers;
    std::stringstream parts(text);
    for (std::string part; std::getline(parts, part, ',');) numbers.push_back(std::stoul(part));
    return numbers;
}

// Throws on an unknown argument, and when a file or the dimension is missing.
inline Arguments parse(int argc, char** argv) {
    Arguments a;
    const std::map<std::string, std::function<void(const std::string&)>> known{
        {"--vectors", [&](auto& v) { a.vectors = v; }},
        {"--queries", [&](auto& v) { a.queries = v; }},
        {"--out", [&](auto& v) { a.out = v; }},
        {"--engine", [&](auto& v) { a.engine = v; }},
        {"--dim", [&](auto& v) { a.dim = std::stoul(v); }},
        {"--k", [&](auto& v) { a.k = std::stoul(v); }},
        {"--threads", [&](auto& v) { a.threads = std::stoul(v); }},
        {"--search-threads", [&](auto& v) { a.search_threads = list(v); }},
        {"--m", [&](auto& v) { a.m = std::stoul(v); }},
        {"--ef-construction", [&](auto& v) { a.ef_construction = std::stoul(v); }},
        {"--ef", [&](auto& v) { a.ef = list(v); }},
        {"--repetitions", [&](auto& v) { a.repetitions = std::stoul(v); }},
    };
    for (int i = 1; i < argc; i += 2) {
        auto found = known.find(argv[i]);
        if (found == known.end() || i + 1 == argc) throw std::runtime_error(std::string("argument ") + argv[i]);
        found->second(argv[i + 1]);
    }
    if (a.vectors.empty() || a.queries.empty() || a.out.empty() || a.dim == 0)
        throw std::runtime_error("--vectors, --queries, --out and --dim are needed");
    return a;
}

// The rows of a file of float32, mapped and not yet read.
class Rows {
  public:
    Rows(const std::string& path, size_t dim) : dim_(dim) {
        int file = open(path.c_str(), O_RDONLY);
        struct stat s;
        if (file < 0 || fstat(file, &s) != 0) throw std::runtime_error("open " + path);
        bytes_ = s.st_size;
        void* at = mmap(nullptr, bytes_, PROT_READ, MAP_PRIVATE, file, 0);
        close(file);
        if (at == MAP_FAILED || bytes_ == 0 || bytes_ % (4 * dim) != 0) throw std::runtime_error("map " + path);
        values_ = static_cast<const float*>(at);
    }
    ~Rows() { munmap(const_cast<float*>(values_), bytes_); }
    Rows(const Rows&) = delete;
    size_t count() const { return bytes_ / 4 / dim_; }
    const float* row(size_t i) const { return values_ + i * dim_; }
    // The rows stop counting as resident until they are read again.
    void release() const { madvise(const_cast<float*>(values_), bytes_, MADV_DONTNEED); }

  private:
    const float* values_;
    size_t dim_, bytes_;
};

// Resident bytes of the process: anonymous memory, and mapped files.
struct Memory {
    size_t anonymous = 0, file = 0;
};

// What the allocator holds in vain is given back first.
inline Memory memory() {
    malloc_trim(0);
    Memory m;
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.rfind("RssAnon:", 0) == 0) m.anonymous = std::stoul(line.substr(8)) * 1024;
        if (line.rfind("RssFile:", 0) == 0) m.file = std::stoul(line.substr(8)) * 1024;
    }
    return m;
}

inline double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Processor seconds of the process so far, on all its threads.
inline double processor() {
    timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

// Calls work(i) for every i below n on so many threads; one thread is the
// caller's own.
inline void parallel(size_t n, size_t threads, const std::function<void(size_t)>& work) {
    std::atomic<size_t> next{0};
    auto run = [&] {
        for (size_t i; (i = next.fetch_add(1)) < n;) work(i);
    };
    std::vector<std::thread> others;
    for (size_t t = 1; t < threads; t++) others.emplace_back(run);
    run();
    for (auto& t : others) t.join();
}

// Runs build, which fills the index from rows, and prints what it took.
inline void build(const Arguments& a, const Rows& rows, const std::function<void()>& work) {
    Memory before = memory();
    double began = now(), used = processor();
    work();
    double seconds = now() - began, share = (processor() - used) / seconds / a.threads;
    rows.release();
    Memory after = memory();
    printf("{\"event\":\"build\",\"threads\":%zu,\"vectors\":%zu,\"seconds\":%.6f,\"cpu\":%.3f,"
           "\"rss_bytes_before\":%zu,\"rss_bytes_after\":%zu,\"file_bytes_before\":%zu,\"file_bytes_after\":%zu}\n",
           a.threads, rows.count(), seconds, share, before.anonymous, after.anonymous, before.file, after.file);
    fflush(stdout);
}

// An index as a driver offers it. one writes the ids of the k nearest of a
// query, all those of n queries in one call of the library; all is empty where
// the library has no such call. Ids that are not found stay as they are.
struct Searcher {
    std::function<void(size_t ef)> set_ef;
    std::function<void(size_t threads)> set_threads = [](size_t) {};
    std::function<void(const float* query, uint32_t* ids)> one;
    std::function<void(const float* queries, size_t n, uint32_t* ids)> all;
};

inline double quantile(std::vector<double> sorted, double q) {
    if (sorted.empty()) return 0;
    std::sort(sorted.begin(), sorted.end());
    return sorted[std::min(sorted.size() - 1, size_t(q * sorted.size()))];
}

// The timings of one ef on one number of threads.
struct Timings {
    std::vector<double> latencies, single, batch, shares;
    std::vector<uint32_t> ids;

    // One pass over all queries, one call each.
    void one_by_one(const Arguments& a, const Searcher& s, const Rows& queries, size_t threads) {
        std::vector<double> took(queries.count());
        ids.assign(queries.count() * a.k, UINT32_MAX);
        double began = now(), used = processor();
        parallel(queries.count(), threads, [&](size_t i) {
            double from = now();
            s.one(queries.row(i), &ids[i * a.k]);
            took[i] = now() - from;
        });
        single.push_back(now() - began);
        shares.push_back((processor() - used) / single.back() / threads);
        latencies.insert(latencies.end(), took.begin(), took.end());
    }

    void together(const Arguments& a, const Searcher& s, const Rows& queries) {
        if (!s.all) return;
        std::vector<uint32_t> found(ids.size(), UINT32_MAX);
        double began = now();
        s.all(queries.row(0), queries.count(), found.data());
        batch.push_back(now() - began);
    }

    void print(size_t threads, size_t ef, size_t n) const {
        double alone = quantile(single, 0.5), at_once = quantile(batch, 0.5);
        printf("{\"event\":\"search\",\"threads\":%zu,\"ef\":%zu,\"queries\":%zu,\"seconds\":%.6f,"
               "\"qps_single\":%.3f,\"qps_batch\":%.3f,\"p50\":%.9f,\"p99\":%.9f,\"cpu\":%.3f}\n",
               threads, ef, n, alone, n / alone, batch.empty() ? 0 : n / at_once,
               quantile(latencies, 0.5), quantile(latencies, 0.99), quantile(shares, 0.5));
        fflush(stdout);
    }
};

// Measures every ef on every number of threads and writes the ids found to
// a.out, in the order of the lines printed. The repetitions of one ef lie apart
// in time, and one pass before them is not timed.
inline void search(const Arguments& a, const Searcher& s) {
    Rows queries(a.queries, a.dim);
    std::ofstream out(a.out, std::ios::binary);
    for (size_t threads : a.search_threads) {
        s.set_threads(threads);
        std::vector<Timings> timings(a.ef.size());
        for (size_t r = 0; r <= a.repetitions; r++) {
            for (size_t e = 0; e < a.ef.size(); e++) {
                s.set_ef(a.ef[e]);
                if (r == 1) timings[e] = Timings{};
                timings[e].one_by_one(a, s, queries, threads);
                timings[e].together(a, s, queries);
            }
        }
        for (size_t e = 0; e < a.ef.size(); e++) {
            timings[e].print(threads, a.ef[e], queries.count());
            out.write(reinterpret_cast<const char*>(timings[e].ids.data()), timings[e].ids.size() * sizeof(uint32_t));
        }
    }
    out.close();
    if (!out) throw std::runtime_error("write " + a.out);
}

// The main function of a driver.
inline int run(int argc, char** argv, const std::function<void(const Arguments&)>& work) {
    try {
        work(parse(argc, argv));
        return 0;
    } catch (const std::exception& e) {
        fprintf(stderr, "%s: %s\n", argv[0], e.what());
        return 1;
    }
}

}  // namespace peers
