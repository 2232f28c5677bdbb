// threads.cpp - several texts written at once, each by a thread of its own, on one set of weights.
//
//     c++ -std=c++17 threads.cpp $(pkg-config --cflags --libs graphrun) -pthread -o threads
//     ./threads MODEL.yaml WEIGHTS.safetensors LENGTH PROMPT... [-- KEY=VALUE...]
//
// The classes are all that C++ needs around graphrun.h: handles that close themselves, failures as exceptions. The
// model's Input is called "tokens", and it generates from "logits", [time, batch, vocabulary].
#include <graphrun/graphrun.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

struct Failure : std::runtime_error {
    explicit Failure(gr_failure *why) : std::runtime_error(gr_failure_text(why)) { gr_failure_free(why); }
};

class Network {
    std::shared_ptr<gr_network> handle;

public:
    Network(const std::string &model, const std::string &weights, std::vector<const char *> sets)
    {
        sets.push_back(nullptr);
        gr_network_options o = {};
        o.size = sizeof o;
        o.weights = weights.c_str();
        o.sets = sets.data();
        gr_network *n = nullptr;
        gr_failure *why = nullptr;
        if (gr_network_open(model.c_str(), &o, &n, &why)) throw Failure(why);
        handle.reset(n, gr_network_close);
    }
    gr_network *get() const { return handle.get(); }
    int32_t words(const char *input) const { return gr_network_words(get(), input); }
    std::string word(const char *input, int32_t item) const
    {
        const char *word = gr_network_word(get(), input, item);
        return (gr_network_spaced(get(), input) ? " " : "") + std::string(word ? word : "?");
    }
    std::vector<int32_t> encode(const char *input, const std::string &text) const
    {
        gr_failure *why = nullptr;
        const int64_t n = gr_network_encode(get(), input, text.c_str(), nullptr, 0, &why); // how many
        if (n < 0) throw Failure(why);
        std::vector<int32_t> items(n);
        if (gr_network_encode(get(), input, text.c_str(), items.data(), n, &why) < 0) throw Failure(why);
        return items;
    }
};

// Reads one item a step and says which is likeliest to come next.
class Reader {
    std::unique_ptr<gr_stream, decltype(&gr_stream_close)> handle{nullptr, gr_stream_close};
    gr_tensor token, logits; // the stream's memory
    int64_t words;           // that the logits choose from

public:
    explicit Reader(const Network &net)
    {
        const gr_axis_size one = {"batch", 1};
        gr_stream_options o = {};
        o.size = sizeof o;
        o.along = "time";
        o.axes = &one;
        o.num_axes = 1;
        gr_stream *s = nullptr;
        gr_failure *why = nullptr;
        if (gr_stream_open(net.get(), &o, &s, &why)) throw Failure(why);
        handle.reset(s);
        if (gr_stream_input(s, "tokens", &token, &why) || gr_stream_result(s, "logits", &logits, &why)) throw Failure(why);
        words = std::min<int64_t>(net.words("tokens"), logits.dim[logits.rank - 1]);
    }
    int32_t read(int32_t item)
    {
        gr_failure *why = nullptr;
        *static_cast<int32_t *>(token.data) = item;
        if (gr_stream_run(handle.get(), &why)) throw Failure(why);
        const float *x = static_cast<const float *>(logits.data);
        return int32_t(std::max_element(x, x + words) - x);
    }
};

static std::string write_on(const Network &net, const std::string &prompt, int length)
{
    Reader reader(net);
    std::string text = prompt;
    int32_t next = 0;
    const std::vector<int32_t> items = net.encode("tokens", prompt);
    if (items.empty()) throw std::invalid_argument("a PROMPT is empty; write what the text begins with");
    for (int32_t item : items) next = reader.read(item);
    for (int i = 0; i < length; i++, next = reader.read(next)) text += net.word("tokens", next);
    return text;
}

static int parse_length(const std::string &text)
{
    size_t end = 0;
    int length = 0;
    try {
        length = std::stoi(text, &end);
    } catch (const std::exception &) { // said below
    }
    if (end == 0 || end != text.size() || length < 1)
        throw std::invalid_argument("LENGTH is '" + text + "'; write how many items are to follow each prompt, 1 or more");
    return length;
}

int main(int argc, char **argv)
try {
    if (argc < 5) {
        std::cerr << "usage: threads MODEL.yaml WEIGHTS.safetensors LENGTH PROMPT... [-- KEY=VALUE...]\n";
        return 2;
    }
    char **end = argv + argc, **rest = std::find(argv + 4, end, std::string("--"));
    const std::vector<std::string> prompts(argv + 4, rest);
    const int length = parse_length(argv[3]);
    const Network net(argv[1], argv[2], std::vector<const char *>(rest == end ? end : rest + 1, end));
    std::vector<std::string> texts(prompts.size());
    std::vector<std::thread> threads;
    for (size_t i = 0; i < prompts.size(); i++)
        threads.emplace_back([&, i] {
            try {
                texts[i] = write_on(net, prompts[i], length);
            } catch (const std::exception &e) {
                texts[i] = std::string("error: ") + e.what();
            }
        });
    for (std::thread &t : threads) t.join();
    for (const std::string &text : texts) std::cout << text << '\n';
    return 0;
} catch (const std::exception &e) {
    std::cerr << "threads: " << e.what() << '\n';
    return 1;
}
