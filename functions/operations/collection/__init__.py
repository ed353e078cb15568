"""Collection: delete what no root, snapshot or published CSV names any longer."""
