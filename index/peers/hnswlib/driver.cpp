// The driver of hnswlib; see ../README.md for the protocol.
#include <hnswlib/hnswlib.h>

#include "../driver.hpp"

static void work(const peers::Arguments& a) {
    if (a.engine != "hnsw") throw std::runtime_error("engine " + a.engine);
    peers::Rows rows(a.vectors, a.dim);
    hnswlib::InnerProductSpace space(a.dim);
    std::unique_ptr<hnswlib::HierarchicalNSW<float>> index;
    peers::build(a, rows, [&] {
        index = std::make_unique<hnswlib::HierarchicalNSW<float>>(&space, rows.count(), a.m, a.ef_construction);
        peers::parallel(rows.count(), a.threads, [&](size_t i) { index->addPoint(rows.row(i), i); });
    });
    peers::Searcher s;
    s.set_ef = [&](size_t ef) { index->setEf(ef); };
    s.one = [&](const float* query, uint32_t* ids) {
        auto found = index->searchKnn(query, a.k);
        for (size_t i = found.size(); i > 0; found.pop()) ids[--i] = found.top().second;
    };
    peers::search(a, s);
}

int main(int argc, char** argv) { return peers::run(argc, argv, work); }
