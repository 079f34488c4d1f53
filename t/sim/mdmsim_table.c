
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A hash table with chains; its keys are hashes already.
 */


#include "mdmsim_run.h"

#include <stdlib.h>


static void sim_table_grow(sim_table_t *t);
static void sim_entry_free(sim_entry_t *e);


sim_entry_t *
sim_table_get(const sim_table_t *t, uint64_t key)
{
    sim_entry_t  *e;

    if (t->count == 0) {
        return NULL;
    }

    for (e = t->slots[key & (t->size - 1)]; e != NULL; e = e->next) {
        if (e->key == key) {
            return e;
        }
    }

    return NULL;
}


static void
sim_table_grow(sim_table_t *t)
{
    uint32_t       i, size;
    sim_entry_t   *e, *next, **slots;

    size = t->size == 0 ? 64 : t->size * 2;
    slots = sim_alloc(size * sizeof(sim_entry_t *));

    for (i = 0; i < t->size; i++) {
        for (e = t->slots[i]; e != NULL; e = next) {
            next = e->next;
            e->next = slots[e->key & (size - 1)];
            slots[e->key & (size - 1)] = e;
        }
    }

    free(t->slots);
    t->slots = slots;
    t->size = size;
}


sim_entry_t *
sim_table_add(sim_table_t *t, uint64_t key)
{
    sim_entry_t  *e;

    e = sim_table_get(t, key);
    if (e != NULL) {
        return e;
    }

    if (t->count == t->size) {
        sim_table_grow(t);
    }

    e = sim_alloc(sizeof(sim_entry_t));
    e->key = key;
    e->next = t->slots[key & (t->size - 1)];
    t->slots[key & (t->size - 1)] = e;
    t->count++;

    return e;
}


static void
sim_entry_free(sim_entry_t *e)
{
    sim_buf_free(&e->body);
    sim_buf_free(&e->uuid);
    free(e);
}


void
sim_table_del(sim_table_t *t, uint64_t key)
{
    sim_entry_t  *e, **link;

    if (t->count == 0) {
        return;
    }

    for (link = &t->slots[key & (t->size - 1)]; *link != NULL;
         link = &(*link)->next)
    {
        e = *link;

        if (e->key == key) {
            *link = e->next;
            sim_entry_free(e);
            t->count--;
            return;
        }
    }
}


void
sim_table_free(sim_table_t *t)
{
    uint32_t      i;
    sim_entry_t  *e, *next;

    for (i = 0; i < t->size; i++) {
        for (e = t->slots[i]; e != NULL; e = next) {
            next = e->next;
            sim_entry_free(e);
        }
    }

    free(t->slots);
    memset(t, 0, sizeof(sim_table_t));
}
