// The driver of FAISS; see ../README.md for the protocol.
#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <omp.h>

#include "../driver.hpp"

// OpenBLAS has threads of its own.
extern "C" void openblas_set_num_threads(int);

static void search_into(const faiss::Index& index, const float* queries, size_t n, size_t k, uint32_t* ids) {
    std::vector<float> scores(n * k);
    std::vector<faiss::Index::idx_t> labels(n * k);
    index.search(n, queries, k, scores.data(), labels.data());
    for (size_t i = 0; i < n * k; i++)
        if (labels[i] >= 0) ids[i] = labels[i];
}

static std::unique_ptr<faiss::Index> create(const peers::Arguments& a, faiss::IndexHNSWFlat*& graph) {
    if (a.engine == "flat") return std::make_unique<faiss::IndexFlatIP>(a.dim);
    if (a.engine != "hnsw") throw std::runtime_error("engine " + a.engine);
    auto made = std::make_unique<faiss::IndexHNSWFlat>(a.dim, a.m, faiss::METRIC_INNER_PRODUCT);
    made->hnsw.efConstruction = a.ef_construction;
    graph = made.get();
    return made;
}

static void work(const peers::Arguments& a) {
    peers::Rows rows(a.vectors, a.dim);
    std::unique_ptr<faiss::Index> index;
    faiss::IndexHNSWFlat* graph = nullptr;
    omp_set_num_threads(a.threads);
    peers::build(a, rows, [&] {
        index = create(a, graph);
        index->add(rows.count(), rows.row(0));
    });
    peers::Searcher s;
    s.set_ef = [&](size_t ef) {
        if (graph) graph->hnsw.efSearch = ef;
    };
    size_t threads = 1;
    s.set_threads = [&](size_t n) {
        threads = n;
        openblas_set_num_threads(n);
    };
    // Threads that search one by one shall not each start a team of their own.
    s.one = [&](const float* query, uint32_t* ids) {
        omp_set_num_threads(1);
        search_into(*index, query, 1, a.k, ids);
    };
    s.all = [&](const float* queries, size_t n, uint32_t* ids) {
        omp_set_num_threads(threads);
        search_into(*index, queries, n, a.k, ids);
    };
    peers::search(a, s);
}

int main(int argc, char** argv) { return peers::run(argc, argv, work); }
