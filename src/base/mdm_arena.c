
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The arena: blocks of memory with the life of one exchange or one reply.
 */


#include <stdlib.h>

#include "mdm_base.h"


#define MDM_ARENA_ALIGN       16
#define MDM_ARENA_BLOCK       4096


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
    size_t                    used;        /* bytes that were asked for */
    unsigned                  away:1;      /* the pool is in other hands */
    mdm_arena_pool_t         *pool;        /* NULL: blocks are not kept */
    mdm_failure_e             failure;     /* the last one */
    const char               *what;
};


#define mdm_align(n)                                                          \
    (((n) + (MDM_ARENA_ALIGN - 1)) & ~((size_t) MDM_ARENA_ALIGN - 1))


static void mdm_arena_init(mdm_arena_t *arena, size_t size);
static void *mdm_arena_block(mdm_arena_t *arena, size_t size);
static void *mdm_arena_pool_get(mdm_arena_pool_t *pool);
static void mdm_arena_pool_put(mdm_arena_pool_t *pool, void *block);


mdm_arena_t *
mdm_arena_create(size_t size)
{
    mdm_arena_t  *arena;

    size = mdm_align(size);

    arena = malloc(mdm_align(sizeof(mdm_arena_t)) + size);
    if (arena == NULL) {
        return NULL;
    }

    mdm_arena_init(arena, size);

    return arena;
}


mdm_arena_t *
mdm_arena_create_from(mdm_arena_pool_t *pool, size_t size)
{
    size_t        room;
    mdm_arena_t  *arena;

    room = MDM_ARENA_BLOCK - mdm_align(sizeof(mdm_arena_t));

    if (!MDM_RECYCLE || size > room) {
        return mdm_arena_create(size);
    }

    arena = mdm_arena_pool_get(pool);
    if (arena == NULL) {
        return NULL;
    }

    mdm_arena_init(arena, room);

    arena->size = MDM_ARENA_BLOCK - mdm_align(sizeof(mdm_block_t));
    arena->pool = pool;

    return arena;
}


static void
mdm_arena_init(mdm_arena_t *arena, size_t size)
{
    arena->pos = (u_char *) arena + mdm_align(sizeof(mdm_arena_t));
    arena->end = arena->pos + size;
    arena->blocks = NULL;
    arena->cleanups = NULL;
    arena->pool = NULL;
    arena->used = 0;
    arena->away = 0;
    arena->failure = MDM_FAILURE_NONE;
    arena->what = NULL;
    arena->size = (size < MDM_ARENA_BLOCK) ? MDM_ARENA_BLOCK : size;
}


void
mdm_arena_destroy(mdm_arena_t *arena)
{
    if (arena != NULL) {
        (void) mdm_arena_destroy_small(arena, SIZE_MAX);
    }
}


mdm_block_t *
mdm_arena_destroy_small(mdm_arena_t *arena, size_t size)
{
    mdm_block_t    *block, *next, *large;
    mdm_cleanup_t  *cln;

    large = NULL;

    for (cln = arena->cleanups; cln != NULL; cln = cln->next) {
        cln->handler(cln->data);
    }

    for (block = arena->blocks; block != NULL; block = next) {
        next = block->next;

        if (block->size >= size) {
            block->next = large;
            large = block;

        } else if (arena->pool != NULL && block->size == arena->size) {
            mdm_arena_pool_put(arena->pool, block);

        } else {
            free(block);
        }
    }

    if (arena->pool != NULL) {
        mdm_arena_pool_put(arena->pool, arena);

    } else {
        free(arena);
    }

    return large;
}


void
mdm_blocks_free(mdm_block_t *blocks)
{
    mdm_block_t  *next;

    for ( /* void */ ; blocks != NULL; blocks = next) {
        next = blocks->next;
        free(blocks);
    }
}


static void *
mdm_arena_pool_get(mdm_arena_pool_t *pool)
{
    void  *block;

    block = pool->free;

    if (block == NULL) {
        return malloc(MDM_ARENA_BLOCK);
    }

    pool->free = *(void **) block;
    pool->size -= MDM_ARENA_BLOCK;

    return block;
}


static void
mdm_arena_pool_put(mdm_arena_pool_t *pool, void *block)
{
    if (pool->size + MDM_ARENA_BLOCK > pool->most) {
        free(block);
        return;
    }

    *(void **) block = pool->free;

    pool->free = block;
    pool->size += MDM_ARENA_BLOCK;
}


void
mdm_arena_pool_clear(mdm_arena_pool_t *pool)
{
    void  *block;

    while (pool->free != NULL) {
        block = pool->free;
        pool->free = *(void **) block;
        free(block);
    }

    pool->size = 0;
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

    arena->used += size;

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

    /* what is large gets its own block; the current block stays in use */

    room = (size > arena->size / 4) ? size : arena->size;

#if (MDM_DEBUG_ALLOC)

    /* each gets its own block: sanitizers see its end, tests let it fail */

    room = size;

#endif

    block = (arena->pool != NULL && !arena->away && room == arena->size)
            ? mdm_arena_pool_get(arena->pool) : malloc(head + room);
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


size_t
mdm_arena_used(const mdm_arena_t *arena)
{
    return arena->used;
}


void
mdm_arena_away(mdm_arena_t *arena, mdm_uint_t away)
{
    arena->away = (away != 0);
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
