/* elf_fault.c - whether a shared object is whole, before it is mapped.
 *
 * dlopen maps what the header promises: of a file that was cut it touches pages that do not exist, and the process
 * ends with a bus error. So the promises are held against the file's size here. What is no ELF file of this
 * machine's word size is dlopen's to refuse. */
#include "graph/fault.h"

#include <link.h>
#include <string.h>

/* Whether bytes [at, at + n) are in a file of so many. */
static bool is_inside(uint64_t at, uint64_t n, uint64_t size) { return at <= size && n <= size - at; }

static const char *cut(gr_arena *a, const char *what, uint64_t at, uint64_t n, uint64_t size)
{
    return gr_arena_printf(a, "is cut short or damaged: %s takes %llu bytes from byte %llu on, and the file has %llu; build or copy it again",
                           what, (unsigned long long)n, (unsigned long long)at, (unsigned long long)size);
}

static const char *segment_fault(gr_arena *a, const ElfW(Phdr) *p, int i, uint64_t size)
{
    if (!is_inside(p->p_offset, p->p_filesz, size)) return cut(a, gr_arena_printf(a, "its segment %d", i), p->p_offset, p->p_filesz, size);
    if (p->p_type != PT_LOAD || p->p_filesz <= p->p_memsz) return NULL;
    return gr_arena_printf(a, "is damaged: its segment %d has more bytes in the file than in memory; build or copy it again", i);
}

/* Of an open file of `size` bytes. */
static const char *file_fault(gr_arena *a, FILE *f, uint64_t size)
{
    ElfW(Ehdr) h;
    const unsigned char word = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
    memset(&h, 0, sizeof h);
    const size_t got = fread(&h, 1, sizeof h, f);
    if (got < SELFMAG || memcmp(h.e_ident, ELFMAG, SELFMAG) != 0) return NULL;
    if (got < sizeof h) return cut(a, "its header", 0, sizeof h, size);
    if (h.e_ident[EI_CLASS] != word) return NULL;
    const uint64_t headers = (uint64_t)h.e_phnum * sizeof(ElfW(Phdr)), sections = (uint64_t)h.e_shnum * h.e_shentsize;
    if (h.e_phentsize != sizeof(ElfW(Phdr)) || h.e_phnum == 0) return "is damaged: its header has no table of segments; build or copy it again";
    if (!is_inside(h.e_phoff, headers, size)) return cut(a, "its table of segments", h.e_phoff, headers, size);
    if (h.e_shoff && !is_inside(h.e_shoff, sections, size)) return cut(a, "its table of sections", h.e_shoff, sections, size);
    ElfW(Phdr) p;
    const char *fault = NULL;
    if (fseeko(f, (off_t)h.e_phoff, SEEK_SET) != 0) return "cannot be read";
    for (int i = 0; i < h.e_phnum && !fault; i++)
        fault = fread(&p, sizeof p, 1, f) == 1 ? segment_fault(a, &p, i, size) : "cannot be read";
    return fault;
}

const char *gr_elf_fault(gr_arena *a, const char *path)
{
    FILE *f = fopen(path, "rb");
    const char *fault = NULL;
    if (!f) return NULL;
    if (fseeko(f, 0, SEEK_END) == 0) {
        off_t size = ftello(f);
        rewind(f);
        if (size > 0) fault = file_fault(a, f, (uint64_t)size);
    }
    fclose(f);
    return fault;
}
