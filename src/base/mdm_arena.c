
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The arena: blocks of memory with the life of one exchange or one reply.
 */


#include <stdlib.h>

#include "mdm_base.h"


#define MDM_ARENA_ALIGN       16
#define MDM_ARENA_BLOCK       4096


typedef struct mdm_block_s    mdm_block_t;
typedef struct mdm_cleanup_s  mdm_cleanup_t;


struct mdm_block_s {
    mdm_block_t              *next;
    size_t                    size;
};


struct mdm_cleanup_s {
    mdm_cleanup_pt            handler;
    void                     *data;
    mdm_cleanup_t            *next;
};


/* the arena stands at the start of its own first block */

struct mdm_arena_s {
    u_char                   *pos;
    u_char                   *end;
    mdm_block_t              *blocks;      /* further ones, newest first */
    mdm_cleanup_t            *cleanups;
    size_t                    size;        /* of the next block */
    mdm_failure_e             failure;     /* the last one */
    const char               *what;
};


#define mdm_align(n)                                                          \
    (((n) + (MDM_ARENA_ALIGN - 1)) & ~((size_t) MDM_ARENA_ALIGN - 1))


static void *mdm_arena_block(mdm_arena_t *arena, size_t size);


mdm_arena_t *
mdm_arena_create(size_t size)
{
    u_char       *p;
    mdm_arena_t  *arena;

    size = mdm_align(size);

    arena = malloc(mdm_align(sizeof(mdm_arena_t)) + size);
    if (arena == NULL) {
        return NULL;
    }

    p = (u_char *) arena;

    arena->pos = p + mdm_align(sizeof(mdm_arena_t));
    arena->end = arena->pos + size;
    arena->blocks = NULL;
    arena->cleanups = NULL;
    arena->failure = MDM_FAILURE_NONE;
    arena->what = NULL;
    arena->size = (size < MDM_ARENA_BLOCK) ? MDM_ARENA_BLOCK : size;

    return arena;
}


void
mdm_arena_destroy(mdm_arena_t *arena)
{
    mdm_block_t    *block, *next;
    mdm_cleanup_t  *cln;

    if (arena == NULL) {
        return;
    }

    for (cln = arena->cleanups; cln != NULL; cln = cln->next) {
        cln->handler(cln->data);
    }

    for (block = arena->blocks; block != NULL; block = next) {
        next = block->next;
        free(block);
    }

    free(arena);
}


void *
mdm_arena_alloc(mdm_arena_t *arena, size_t size)
{
#if !(MDM_DEBUG_ALLOC)
    u_char  *p;
#endif

    if (size > SIZE_MAX / 2) {
        arena->failure = MDM_FAILURE_MEMORY;
        return NULL;
    }

#if !(MDM_DEBUG_ALLOC)

    size = (size == 0) ? MDM_ARENA_ALIGN : mdm_align(size);

    if ((size_t) (arena->end - arena->pos) >= size) {
        p = arena->pos;
        arena->pos += size;
        return p;
    }

#endif

    return mdm_arena_block(arena, size);
}


static void *
mdm_arena_block(mdm_arena_t *arena, size_t size)
{
    u_char       *p;
    size_t        head, room;
    mdm_block_t  *block;

    head = mdm_align(sizeof(mdm_block_t));

    /* what is large gets a block of its own; the current one stays in use */

    room = (size > arena->size / 4) ? size : arena->size;

#if (MDM_DEBUG_ALLOC)

    /* each has one: its end is seen by a sanitizer, and each may fail */

    room = size;

#endif

    block = malloc(head + room);
    if (block == NULL) {
        arena->failure = MDM_FAILURE_MEMORY;
        return NULL;
    }

    block->size = room;
    block->next = arena->blocks;
    arena->blocks = block;

    p = (u_char *) block + head;

    if (room != size) {
        arena->pos = p + size;
        arena->end = p + room;
    }

    return p;
}


void *
mdm_arena_zalloc(mdm_arena_t *arena, size_t size)
{
    void  *p;

    p = mdm_arena_alloc(arena, size);
    if (p != NULL) {
        memset(p, 0, size);
    }

    return p;
}


mdm_int_t
mdm_arena_defer(mdm_arena_t *arena, mdm_cleanup_pt handler, void *data)
{
    mdm_cleanup_t  *cln;

    cln = mdm_arena_alloc(arena, sizeof(mdm_cleanup_t));
    if (cln == NULL) {
        handler(data);
        return MDM_ERROR;
    }

    cln->handler = handler;
    cln->data = data;
    cln->next = arena->cleanups;
    arena->cleanups = cln;

    return MDM_OK;
}


mdm_int_t
mdm_arena_no_memory(mdm_arena_t *arena)
{
    arena->failure = MDM_FAILURE_MEMORY;

    return MDM_ERROR;
}


mdm_int_t
mdm_arena_failed(mdm_arena_t *arena, const char *what)
{
    arena->failure = MDM_FAILURE_LIBRARY;
    arena->what = what;

    return MDM_ERROR;
}


mdm_failure_e
mdm_arena_failure(const mdm_arena_t *arena, const char **what)
{
    *what = (arena->failure == MDM_FAILURE_LIBRARY) ? arena->what : NULL;

    return arena->failure;
}
