/* Names: what unrelated processes meet by, and what children find again of a module's top level.
 *
 * A NAME slot holds a 128-bit hash (compared), the text (shown) and the primitive's slot; it counts only
 * while the two point at each other. Called under the arena's mutex. */
#ifndef LW_NAME_H
#define LW_NAME_H

#include "lw_arena.h"
#include "lw_slot.h"

#define LW_NAME_BYTES_MAX 1000u

/* Finds or makes the primitive of that name, and holds it for this process. */
enum lw_status lw_name_open(struct lw_arena *arena, const uint8_t hash[16], const char *text, uint32_t length,
                            const struct lw_made *made, uint32_t *index);
/* Takes the primitive's name away; those who hold it keep it. If nobody does, a sweep frees it. */
void lw_name_remove(struct lw_arena *arena, uint32_t index);
/* The same, of whatever kind it is; whether there was that name. */
bool lw_name_unlink(struct lw_arena *arena, const uint8_t hash[16]);
/* Copies a name's text; returns its length. */
uint32_t lw_name_text(const struct lw_arena *arena, uint32_t name, char *text, uint32_t room);

#endif
